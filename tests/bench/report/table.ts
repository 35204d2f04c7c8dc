import type { Results, TrafficRow } from '../results.ts';
import { ratios } from './ratios.ts';

const MB = 1_048_576;

const ms = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

function markdown(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

const named = (values: Record<string, number>, show: (value: number) => string) =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${show(value)}`)
    .join(', ');

const times = ({ p50, p99, p999 }: { p50: number; p99: number; p999: number }) =>
  [p50, p99, p999].map(ms).join(' / ');

function trafficCells(row: TrafficRow): string[] {
  return [
    row.scenario,
    String(row.rate),
    String(row.sent),
    String(row.acknowledged),
    `${row.delivered} of ${row.expected}`,
    row.stored === undefined ? '' : `${row.stored.count} of ${row.stored.of}`,
    times(row.puback),
    times(row.rider),
    row.toDatabase === undefined ? '' : times(row.toDatabase),
    row.cpuMicrosecondsInAll.toFixed(0),
    named(row.cpuMicroseconds, (value) => value.toFixed(0)),
    named(row.rssBytes, (value) => `${(value / MB).toFixed(0)}`),
  ];
}

/** All results as Markdown. Its first line says what the whole job costs beside a relay alone, where both were measured. */
export function report(results: Results): string {
  const { machine, traffic, connections, nearby, exports } = results;
  const compared = ratios(traffic).map(
    ({ rate, peer, ratio }) => `${ratio.toFixed(2)} times ${peer}'s relay (QoS 1) at ${rate}/s`,
  );
  const parts = [
    compared.length === 0
      ? 'No peer was measured beside it (--peer mosquitto).'
      : `CPU of the whole job: ${compared.join(', ')}.`,
    `${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.system}, Node ${machine.node}, ${results.at}`,
  ];
  if (traffic.length > 0)
    parts.push(
      markdown(
        [
          'scenario',
          'positions/s',
          'sent',
          'acknowledged',
          'delivered',
          'stored, with warm-up',
          'to PUBACK, ms: p50 / p99 / p99.9',
          'to rider',
          'to database',
          'CPU µs a position',
          'of it',
          'MB',
        ],
        traffic.map(trafficCells),
      ),
    );
  if (connections.length > 0)
    parts.push(
      markdown(
        [
          'scenario',
          'connections',
          'refused',
          'logins/s',
          'login, ms',
          'kB each',
          'CPU µs each',
          'all back after',
        ],
        connections.map((row) => [
          row.scenario,
          String(row.connections),
          String(row.failed),
          row.perSecond.toFixed(0),
          times(row.login),
          (row.bytesEach / 1000).toFixed(1),
          row.cpuMicrosecondsEach.toFixed(0),
          row.back === undefined ? '' : `${row.back.seconds.toFixed(1)} s, ${row.back.failed} not`,
        ]),
      ),
    );
  if (nearby.length > 0)
    parts.push(
      markdown(
        ['nearby among', 'found', 'answers/s', 'answer, ms: p50 / p99 / p99.9'],
        nearby.map((row) => [
          String(row.drivers),
          row.found.toFixed(1),
          row.perSecond.toFixed(0),
          times(row.answer),
        ]),
      ),
    );
  if (exports.length > 0)
    parts.push(
      markdown(
        ['rows exported', 'seconds', 'rows/s', 'MB', 'api, MB at most'],
        exports.map((row) => [
          String(row.rows),
          row.seconds.toFixed(1),
          (row.rows / row.seconds).toFixed(0),
          (row.bytes / MB).toFixed(0),
          (row.apiPeakRssBytes / MB).toFixed(0),
        ]),
      ),
    );
  return `${parts.join('\n\n')}\n`;
}
