import { appendFileSync } from 'node:fs';
import type { Account } from './load.ts';

export type Row = Account & {
  fault: string;
  /** Longest that a client was without a broker, ms; undefined: none was. */
  longestGapMs: number | undefined;
};

/** Each file of tests runs in a process of its own: rows are gathered in a file that the run prints when it ends. */
export function report(row: Row): void {
  if (process.env.CHAOS_ROWS) appendFileSync(process.env.CHAOS_ROWS, `${JSON.stringify(row)}\n`);
}

const columns = [
  'fault',
  'sent',
  'acknowledged',
  'stored',
  'duplicates',
  'lost',
  'longest reconnect',
] as const;

/** As a Markdown table. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ fault, sent, acknowledged, stored, doubled, lost, longestGapMs }) => [
    fault,
    sent,
    acknowledged,
    stored,
    doubled,
    lost,
    longestGapMs === undefined ? '' : `${(longestGapMs / 1000).toFixed(1)} s`,
  ]);
  const line = (parts: readonly (string | number)[]) => `| ${parts.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...cells.map(line)].join('\n');
}
