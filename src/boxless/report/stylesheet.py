"""How a report looks: one column on a phone, light or dark as the reader's machine is, printable."""

from boxless.report.colors import CLASS_COLORS, Mark, css

SOME_CLASSES = " ".join(css(CLASS_COLORS[label]) for label in (0, 1, 3, 4))

STYLESHEET = f"""
:root {{
  color-scheme: light dark;
  --ground: #f4f5f7; --card: #ffffff; --ink: #1d2127; --soft: #5b636e; --line: #dfe3e8;
  --good: #00694c; --bad: #a34700; --right: {css(Mark.RIGHT.value)}; --false: {css(Mark.FALSE.value)};
  --missed: {css(Mark.MISSED.value)};
}}
@media (prefers-color-scheme: dark) {{
  :root {{ --ground: #121418; --card: #1b1e23; --ink: #e6e9ed; --soft: #a0a8b3; --line: #30353c; --good: #3ccf9f;
    --bad: #ff9a57; }}
}}
*, *::before {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; -webkit-text-size-adjust: 100%; }}
main {{ max-width: 70rem; margin: 0 auto; padding: 2rem 1rem 4rem; display: flex; flex-wrap: wrap; gap: 1.1rem; }}
main > * {{ flex: 1 1 100%; min-width: 0; }}
main > .half {{ flex-basis: min(100%, 28rem); }}
h1 {{ font-size: clamp(1.5rem, 5vw, 2.1rem); line-height: 1.2; margin: 0 0 -.6rem; letter-spacing: -.015em; }}
h2 {{ font-size: 1.15rem; line-height: 1.3; margin: 0 0 .7rem; }}
h3 {{ font-size: .95rem; margin: 0 0 .3rem; font-weight: 600; }}
p {{ margin: 0 0 .8rem; max-width: 46rem; }}
.summary {{ font-size: 1.1rem; color: var(--soft); }}
.note {{ color: var(--soft); font-size: .9rem; }}
section {{ background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.1rem 1.2rem 1.2rem; }}
section > :last-child {{ margin-bottom: 0; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .38rem 1rem .38rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: normal; }}
tr > :last-child {{ padding-right: 0; }}
tbody tr:last-child > * {{ border-bottom: 0; }}
thead th {{ color: var(--soft); font-size: .85rem; font-weight: 500; }}
tbody th {{ font-weight: 500; }}
.number {{ text-align: right; white-space: nowrap; }}
td.ours {{ font-weight: 700; }}
.good {{ color: var(--good); }}
.bad {{ color: var(--bad); }}
.wrap td {{ overflow-wrap: anywhere; }}
.grid {{ display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }}
figure {{ margin: 0; min-width: 0; }}
figcaption {{ font-size: .9rem; color: var(--soft); margin-top: .35rem; }}
figcaption b {{ color: var(--ink); font-weight: 600; }}
img {{ display: block; max-width: 100%; height: auto; }}
.pair {{ display: flex; gap: 4px; background: #202225; border-radius: 6px; overflow: hidden; justify-content: center; }}
.pair img {{ min-width: 0; flex: 0 1 auto; object-fit: contain; }}
.pair img + img {{ width: 50%; }}
.pair img:has(+ img) {{ width: 50%; }}
.steps {{ display: grid; grid-template-columns: 1fr 1fr; gap: 6px; }}
.steps img, .sheet img {{ width: 100%; border-radius: 4px; }}
.steps small {{ color: var(--soft); }}
.sheet {{ margin-top: .4rem; padding: 6px; background: #202225; border-radius: 6px; }}
.kinds {{ display: flex; flex-wrap: wrap; gap: .7rem; margin-bottom: 1rem; }}
.kinds figure {{ width: 6rem; }}
.kinds img {{ width: 6rem; border-radius: 4px; image-rendering: pixelated; }}
.wide {{ grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }}
.legend {{ display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; padding: 0; margin: 0 0 1rem; list-style: none;
  font-size: .9rem; }}
.legend li {{ display: flex; align-items: center; gap: .5rem; }}
.legend i {{ flex: none; width: 1.5rem; height: 1.5rem; background: #202225; border-radius: 3px; padding: 3px; }}
.legend i::before {{ content: ""; display: block; height: 100%; border: 2px solid; }}
.legend .right::before {{ border-color: var(--right); }}
.legend .false::before {{ border-color: var(--false); border-width: 4px; }}
.legend .missed::before {{ border-color: var(--missed); border-style: dashed; }}
.legend .class::before {{ border-color: {SOME_CLASSES}; }}
.legend b {{ flex: none; width: 1.5rem; text-align: center; background: #202225; border-radius: 3px; }}
.legend b.right {{ color: var(--right); }}
.legend b.false {{ color: var(--false); }}
.legend b.missed {{ color: var(--missed); }}
.legend .ramp {{ width: 3.5rem; background: linear-gradient(90deg, #000004, #57106e, #bc3754, #f98e09, #fcffa4); }}
.legend .ramp::before, .legend .swatch::before {{ border: 0; }}
details {{ margin-top: .8rem; }}
summary {{ cursor: pointer; color: var(--soft); font-size: .9rem; }}
ul {{ margin: 0; padding-left: 1.2rem; }}
@media (max-width: 34rem) {{
  main {{ padding: 1.5rem .6rem 3rem; }}
  section {{ padding: .9rem .9rem 1rem; }}
  table {{ font-size: .88rem; }}
  th, td {{ padding-right: .6rem; }}
  thead th {{ font-size: .8rem; }}
  .pair {{ flex-direction: column; }}
  .pair img, .pair img + img, .pair img:has(+ img) {{ width: 100%; }}
  .matrix img {{ max-width: 135%; }}
}}
@media print {{ body {{ background: none; }} section {{ break-inside: avoid; }} }}
"""
