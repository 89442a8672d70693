"""Events in a time series, learned from tags alone: "a chirp and a click are in here", never where.

The likelihood of a set of classes (MCMIL, section 3) takes maps of any number of dimensions; here it has one, time.
A network of 1-D convolutions learns from synthetic recordings of 500 samples, each with up to three events of four
kinds, and is asked where they are in new ones. Half a minute on a CPU:

    .venv/bin/python examples/events_in_time.py
"""

import math
import time

import torch
from torch import Tensor, nn

from boxless.ops.likelihood import label_set_log_likelihood

KINDS = ("chirp", "click", "hum", "step")
LENGTH, SPAN, STRIDE = 500, 40, 4  # samples of a recording, of an event, from one place of the map to the next
STEPS, BATCH = 1000, 32


def event(kind: str) -> Tensor:
    """The shape of an event, (SPAN,)."""
    t = torch.linspace(0, 1, SPAN)
    fade = torch.sin(math.pi * t)
    return {
        "chirp": fade * torch.sin(2 * math.pi * (2 * t + 6 * t.square())),
        "click": torch.exp(-6 * t) * torch.sin(2 * math.pi * 9 * t),
        "hum": fade * torch.sin(2 * math.pi * 3 * t),
        "step": torch.where(t < 0.5, -fade, fade),
    }[kind]


def recordings(number: int, generator: torch.Generator) -> tuple[Tensor, list[list[tuple[int, int]]]]:
    """Noise with events in it: (number, 1, LENGTH), and of each the events as (kind, middle)."""
    signals, truth = 0.2 * torch.randn(number, 1, LENGTH, generator=generator), []
    shapes = torch.stack([event(kind) for kind in KINDS])
    for signal in signals:
        events: list[tuple[int, int]] = []
        for _ in range(int(torch.randint(0, 4, (), generator=generator))):
            kind, start = (int(torch.randint(most, (), generator=generator)) for most in (len(KINDS), LENGTH - SPAN))
            middle = start + SPAN // 2
            if all(abs(middle - other) >= SPAN for _, other in events):
                loudness = 0.7 + 0.6 * torch.rand((), generator=generator)
                signal[0, start : start + SPAN] += loudness * shapes[kind]
                events.append((kind, middle))
        truth.append(events)
    return signals, truth


def network() -> nn.Sequential:
    """(B, 1, T) to (B, kinds and background, T / STRIDE): a place sees 89 samples."""
    return nn.Sequential(
        nn.Conv1d(1, 32, 9, stride=2, padding=4),
        nn.LeakyReLU(0.1),
        nn.Conv1d(32, 32, 9, stride=2, padding=4),
        nn.LeakyReLU(0.1),
        nn.Conv1d(32, 32, 9, padding=4),
        nn.LeakyReLU(0.1),
        nn.Conv1d(32, len(KINDS) + 1, 9, padding=4),
    )


def found_in(log_probs: Tensor) -> list[tuple[int, int]]:
    """Runs of places that say one kind, as (kind, middle in samples), from a map (kinds + 1, places)."""
    said = log_probs.argmax(0).tolist()
    events, start = [], 0
    for place in range(1, len(said) + 1):
        if place == len(said) or said[place] != said[start]:
            if said[start] < len(KINDS):
                events.append((said[start], STRIDE * (start + place - 1) // 2))
            start = place
    return events


def main() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    net, began = network(), time.perf_counter()
    optimizer = torch.optim.AdamW(net.parameters(), 5e-3)
    for step in range(1, STEPS + 1):
        signals, truth = recordings(BATCH, generator)
        tags = [sorted({kind for kind, _ in events}) for events in truth]  # all that is known
        loss = -label_set_log_likelihood(net(signals).log_softmax(1), tags).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step} of {STEPS}: −log likelihood {loss.item():.3f}, {time.perf_counter() - began:.0f} s")
    signals, truth = recordings(500, torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = [found_in(one) for one in net(signals).log_softmax(1)]
    right = sum(
        any(kind == own and abs(middle - place) <= SPAN / 2 for own, place in ours)
        for ours, events in zip(found, truth, strict=True)
        for kind, middle in events
    )
    number, claimed = sum(map(len, truth)), sum(map(len, found))
    print(f"{right} of {number} events found and named within half their span, in {claimed} claims")
    for ours, events in list(zip(found, truth, strict=True))[:5]:
        told = ", ".join(f"{KINDS[kind]} at {place}" for kind, place in ours) or "nothing"
        true = ", ".join(f"{KINDS[kind]} at {place}" for kind, place in sorted(events, key=lambda e: e[1])) or "nothing"
        print(f"  found {told};  there is {true}")


if __name__ == "__main__":
    main()
