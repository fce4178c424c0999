/** The waves of an estate as a picture: Mermaid for a page, SVG for everything else. Both come from the plan alone, sorted. */
import { countOf } from './estate.ts';
import type { WavePlan } from './estate-waves.ts';

/** Above so many applications a picture of each is no picture any more: waves are drawn with their figures. */
const mostApplications = 60;
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface Arrow { readonly from: string; readonly to: string; readonly label: string }
/** Who is read by whom, between waves, or between atomic sets. */
function arrows(plan: WavePlan, between: 'waves' | 'sets'): readonly Arrow[] {
  const waveOf = new Map(plan.waves.flatMap((w) => w.sets.map((s) => [s, w.name] as const)));
  const ends = plan.dependencies.map((d) => ({ ...d, from: between === 'sets' ? d.from : (waveOf.get(d.from) ?? ''), to: between === 'sets' ? d.to : (waveOf.get(d.to) ?? '') })).filter((d) => d.from !== d.to);
  return [...Map.groupBy(ends, (d) => `${d.from}\0${d.to}`).values()].flatMap((all): readonly Arrow[] => {
    const [first] = all;
    if (!first) return [];
    const topics = [...new Set(all.flatMap((d) => d.topics))].sort();
    return [{ from: first.from, to: first.to, label: topics.length === 0 ? 'after' : topics.length === 1 ? (topics[0] ?? '') : `${topics.length} topics` }];
  });
}
const small = (plan: WavePlan): boolean => plan.waves.reduce((n, w) => n + w.applications.length, 0) <= mostApplications;

/** An arrow leads from who writes to who reads. Boxes of one wave move together; applications in one box cannot be parted. */
export function mermaid(plan: WavePlan): string {
  const quoted = (text: string): string => `"${text.replaceAll('"', '#quot;')}"`;
  const fine = small(plan);
  const ids = new Map([...(fine ? plan.sets.map((s) => s.name) : plan.waves.map((w) => w.name))].map((name, i) => [name, `n${i}`]));
  const setOf = new Map(plan.sets.map((s) => [s.name, s]));
  const waves = plan.waves.flatMap((w, i) => {
    const title = `${i + 1}. ${w.name}: ${w.scheme}, ${countOf(w.applications.length, 'application')}, ${countOf(w.topics.length, 'topic')}`;
    if (!fine) return [`  ${ids.get(w.name)}[${quoted(title)}]`];
    return [`  subgraph w${i}[${quoted(title)}]`, ...w.sets.map((s) => `    ${ids.get(s)}[${quoted((setOf.get(s)?.applications ?? []).join('<br/>'))}]`), '  end'];
  });
  const order = plan.waves.slice(1).map((_, i) => (fine ? `  w${i} ~~~ w${i + 1}` : `  n${i} ~~~ n${i + 1}`));
  const links = arrows(plan, fine ? 'sets' : 'waves').map((a) => `  ${ids.get(a.from)} -->|${quoted(a.label)}| ${ids.get(a.to)}`);
  return ['flowchart LR', ...waves, ...order, ...links, ''].join('\n');
}

const column = { width: 240, gap: 90, top: 60, left: 20 } as const;
const line = 16;
const most = { rows: 14, characters: 30 } as const;
interface Box { readonly x: number; readonly y: number; readonly height: number }

/** A column per wave in the order of time, a box per atomic set (or one of figures where there are too many), an arrow per dependency. */
export function svg(plan: WavePlan): string {
  const fine = small(plan);
  const boxes = new Map<string, Box>();
  const drawn: string[] = [];
  plan.waves.forEach((w, i) => {
    const x = column.left + i * (column.width + column.gap);
    drawn.push(`<text x="${x}" y="30" class="wave">${escaped(`${i + 1}. ${w.name}`)}</text>`, `<text x="${x}" y="48" class="small">${escaped(`${w.scheme}, ${w.why}`)}</text>`);
    let y: number = column.top;
    for (const { name, rows } of boxesOf(plan, i, fine)) {
      const height = rows.length * line + 14;
      boxes.set(name, { x, y, height });
      drawn.push(`<rect x="${x}" y="${y}" width="${column.width}" height="${height}" rx="6"/>`, ...rows.map((row, n) => `<text x="${x + 10}" y="${y + 20 + n * line}">${escaped(clipped(row))}</text>`));
      y += height + 14;
    }
  });
  const height = Math.max(column.top, ...[...boxes.values()].map((b) => b.y + b.height)) + 20;
  const width = column.left * 2 + plan.waves.length * (column.width + column.gap) - column.gap;
  const links = arrows(plan, fine ? 'sets' : 'waves').flatMap((a) => {
    const [from, to] = [boxes.get(a.from), boxes.get(a.to)];
    return from && to ? [arrowPath(from, to, a.label)] : [];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<style>rect{fill:#f4f6fb;stroke:#5b6b8c}path{fill:none;stroke:#8a97b1}.wave{font-size:15px;font-weight:bold}.small{fill:#5b6b8c}</style>',
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#8a97b1"/></marker></defs>',
    ...links, ...drawn, '</svg>', '',
  ].join('\n');
}

const clipped = (text: string): string => (text.length > most.characters ? `${text.slice(0, most.characters - 1)}…` : text);

function boxesOf(plan: WavePlan, i: number, fine: boolean): readonly { readonly name: string; readonly rows: readonly string[] }[] {
  const w = plan.waves[i];
  if (!w) return [];
  if (!fine) return [{ name: w.name, rows: [countOf(w.applications.length, 'application'), `${countOf(w.topics.length, 'topic')} cut`, `${countOf(w.reads.length, 'topic')} read from others`] }];
  return plan.sets.filter((s) => w.sets.includes(s.name)).map((s) => ({
    name: s.name, rows: s.applications.length <= most.rows ? s.applications : [...s.applications.slice(0, most.rows - 1), `and ${s.applications.length - most.rows + 1} more`],
  }));
}

/** To the right from edge to edge; back, or within a column, around the right side. */
function arrowPath(from: Box, to: Box, label: string): string {
  const [startX, startY] = [from.x + column.width, from.y + from.height / 2];
  const forward = to.x > from.x;
  const [endX, endY] = [forward ? to.x : to.x + column.width, to.y + to.height / 2];
  const bend = forward ? (endX - startX) / 2 : 40;
  return `<path d="M${startX} ${startY}C${startX + bend} ${startY} ${forward ? endX - bend : endX + bend} ${endY} ${endX} ${endY}" marker-end="url(#tip)"><title>${escaped(label)}</title></path>`;
}
