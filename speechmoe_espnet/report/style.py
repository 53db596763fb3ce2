"""How the report looks: one style sheet for light and dark mode, wide and narrow screens."""

COLOURS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f9; --ink: #1c2026; --faint: #667080; --rule: #dde1e7;
  --c0: #0072b2; --c1: #d55e00; --c2: #7a828e; --c3: #009e73; --c4: #b0528c; --c5: #3d9bd6;
  --better: #00795a; --worse: #c04a00;
  --sub: #c77f00; --del: #3d84c6; --ins: #b0528c;
  --heat: #0b5c94; --heat-ink: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171c; --card: #1c2127; --ink: #e6e9ee; --faint: #98a2b0; --rule: #333a44;
    --c0: #4fb0ee; --c1: #ff8c42; --c2: #a3abb7; --c3: #2fc99a; --c4: #e08cc0; --c5: #9ad4f7;
    --better: #35c997; --worse: #ff8c42;
    --sub: #f0b23c; --del: #6db3f2; --ins: #e08cc0;
    --heat: #58b4f0; --heat-ink: #0b1118;
  }
}
"""

STYLE = (
    COLOURS
    + """* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 24px 16px 64px; max-width: 1120px;
  background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif;
}
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 44px 0 4px; }
h3 { font-size: 15px; margin: 20px 0 4px; }
p { margin: 4px 0 12px; max-width: 72ch; }
.faint { color: var(--faint); font-size: 14px; }
.verdict { font-size: 18px; margin: 12px 0 20px; }
.better { color: var(--better); font-weight: 600; }
.worse { color: var(--worse); font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { padding: 5px 12px 5px 0; text-align: right; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
table { font-size: 15px; }
td { white-space: nowrap; }
tr.total td { font-weight: 600; border-top: 2px solid var(--ink); }
.facts td { white-space: normal; text-align: left; overflow-wrap: anywhere; vertical-align: top; }
.facts td:first-child { white-space: nowrap; color: var(--faint); }
.small { color: var(--faint); font-size: 13px; font-weight: 400; }
svg { max-width: 100%; height: auto; display: block; font-size: 13px; }
.scroll svg { max-width: none; }
.scroll.fit svg { max-width: 100%; min-width: 480px; }
.panels { margin-bottom: 20px;
  display: flex; flex-wrap: wrap; gap: 20px 28px; align-items: flex-start; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 6px 0 10px; font-size: 14px; }
.legend i { display: inline-block; width: 14px; height: 14px; border-radius: 3px;
  margin-right: 6px; vertical-align: -2px; }
.legend i.dash { border-top: 3px dashed var(--ink); }
.legend i.full { border-top: 3px solid var(--ink); }
.legend i.dash, .legend i.full { width: 24px; height: 0; line-height: 0; overflow: hidden;
  border-radius: 0; vertical-align: middle; }
details { margin: 8px 0; }
summary { cursor: pointer; font-weight: 600; }
.utt { background: var(--card); border-radius: 8px; padding: 10px 14px; margin: 10px 0; }
.utt dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 4px 0 0; }
.utt dt { color: var(--faint); font-size: 14px; }
.utt dd { margin: 0; overflow-wrap: anywhere; font-size: 17px; }
.e-sub { color: var(--sub); text-decoration: underline; text-underline-offset: 4px; }
.e-del { color: var(--del); text-decoration: line-through; opacity: 0.85; }
.e-ins { color: var(--ins); border: 1px solid var(--ins); border-radius: 3px; margin: 0 1px; }
.note { border-left: 4px solid var(--sub); background: var(--card); padding: 10px 14px;
  border-radius: 0 8px 8px 0; }
.note p { margin: 0; }
code { font-size: 14px; overflow-wrap: anywhere; }
@media (max-width: 600px) {
  body { padding: 16px 12px 48px; }
  th, td { padding-right: 10px; font-size: 14px; }
}
@media print { details { break-inside: avoid; } }
"""
)
