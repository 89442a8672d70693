import pytest
import torch

from boxless.nets.convolutional import AllConvolutional, Layer, geometry, least_side, places_along

NETS = {
    "mnist": [Layer(3, 5, s, p) for s, p in zip((1, 1, 2, 1, 1, 1), (2, 2, 2, 1, 0, 0), strict=True)],
    "valid": [Layer(3, 3, 1, 0), Layer(3, 3, 2, 0)],
    "strided": [Layer(2, 5, 2, 2), Layer(2, 3, 2, 1), Layer(2, 1, 1, 0)],
}


def seen_by(layers: list[Layer], height: int, width: int, row: int, column: int) -> torch.Tensor:
    """(n, 2) rows and columns of the pixels that a place of the map depends on."""
    torch.manual_seed(0)
    network = AllConvolutional(1, layers)
    images = torch.rand(1, 1, height, width, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(images)[0, :, row, column].sum(), images)
    return gradient[0, 0].nonzero()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("row", "column"), [(9, 7), (8, 12)])
def test_a_place_sees_a_square_around_its_own_pixel(name: str, row: int, column: int) -> None:
    layers = NETS[name]
    axis = geometry(layers)
    pixels = seen_by(layers, 90, 110, row, column).double()
    middle = (pixels.amin(0) + pixels.amax(0)) / 2
    assert middle.tolist() == [axis.first + axis.step * row, axis.first + axis.step * column]
    assert (pixels.amax(0) - pixels.amin(0) + 1).tolist() == [axis.seen, axis.seen]


@pytest.mark.parametrize("layers", [*NETS.values(), [Layer(2, 3, 1, 2), Layer(2, 3, 3, 0)]])
def test_the_places_along_an_axis_are_those_of_the_map(layers: list[Layer]) -> None:
    network, lengths = AllConvolutional(1, layers), torch.arange(least_side(layers), 40)
    places = [network(torch.zeros(1, 1, 30, length)).shape[3] for length in lengths.tolist()]
    assert places_along(layers, lengths).tolist() == places


@pytest.mark.parametrize("name", NETS)
def test_from_the_least_side_on_each_step_gives_a_place(name: str) -> None:
    layers = NETS[name]
    least, step, network = least_side(layers), geometry(layers).step, AllConvolutional(1, layers)
    for height, width in ((least, least + 1), (least + step - 1, least + step), (28, 31), (64, 57)):
        places = (height - least) // step + 1, (width - least) // step + 1
        assert network(torch.zeros(1, 1, height, width)).shape[2:] == places
    if least > 1:
        with pytest.raises(RuntimeError, match="Kernel size"):
            network(torch.zeros(1, 1, least, least - 1))


def test_the_network_is_convolutions_with_leaky_relu_between() -> None:
    torch.manual_seed(0)
    network = AllConvolutional(2, NETS["valid"])
    images = torch.rand(2, 2, 9, 11)
    first, second = (layer for layer in network.layers if isinstance(layer, torch.nn.Conv2d))
    inner = torch.nn.functional.leaky_relu(torch.nn.functional.conv2d(images, first.weight, first.bias), 0.1)
    expected = torch.nn.functional.conv2d(inner, second.weight, second.bias, stride=2)
    torch.testing.assert_close(network(images), expected)
