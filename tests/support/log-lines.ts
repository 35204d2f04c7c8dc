import { Writable } from 'node:stream';
import type { Levels, LogLevel } from '../../shared/telemetry/levels.ts';
import { createLog, type Logger } from '../../shared/telemetry/log.ts';

export type LogLine = Record<string, unknown> & { msg: string; level: number };

/** The product's own logger, whose lines are kept instead of written to stdout. */
export function keptLog(level: LogLevel): {
  log: Logger;
  levels: Levels;
  lines(): LogLine[];
  text(): string;
} {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const text = () => written.join('');
  return {
    ...createLog(level, stream),
    text,
    lines: () =>
      text()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LogLine),
  };
}
