import type { TrafficRow } from '../results.ts';

const COLOURS: Record<string, string> = {
  broker: '#1f77b4',
  ingest: '#ff7f0e',
  api: '#8c564b',
  redis: '#d62728',
  postgres: '#2ca02c',
  all: '#1f77b4',
};
const OF_PEERS = '#7f7f7f';

const TITLE = 'CPU microseconds a position, all processes together';

const ROW = 26;
const LEFT = 300;
const WIDTH = 560;
const TOP = 56;

const asXml = (text: string) => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** CPU microseconds a position, one bar a run, its parts by process, as an SVG document. */
export function plot(rows: readonly TrafficRow[]): string {
  const most = Math.max(1, ...rows.map((row) => row.cpuMicrosecondsInAll));
  const scale = WIDTH / most;
  const bars = rows.map((row, index) => {
    const y = TOP + index * ROW;
    let x = LEFT;
    const parts = Object.entries(row.cpuMicroseconds).map(([name, value]) => {
      const width = Math.max(0, value * scale);
      const part = `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 8}" fill="${COLOURS[name] ?? OF_PEERS}"><title>${asXml(name)} ${value.toFixed(1)} µs</title></rect>`;
      x += width;
      return part;
    });
    const label = `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${asXml(`${row.scenario}, ${row.rate}/s`)}</text>`;
    const total = `<text x="${(x + 6).toFixed(1)}" y="${y + 13}">${row.cpuMicrosecondsInAll.toFixed(0)}</text>`;
    return [label, ...parts, total].join('');
  });
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.cpuMicroseconds)))];
  const legend = names.map(
    (name, index) =>
      `<rect x="${LEFT + index * 92}" y="30" width="12" height="12" fill="${COLOURS[name] ?? OF_PEERS}"/><text x="${LEFT + index * 92 + 17}" y="41">${asXml(name)}</text>`,
  );
  const height = TOP + rows.length * ROW + 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 60}" height="${height}" font-family="sans-serif" font-size="12">
<title>${TITLE}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="10" y="20" font-size="14">${TITLE}</text>
${[...legend, ...bars].join('\n')}
</svg>
`;
}
