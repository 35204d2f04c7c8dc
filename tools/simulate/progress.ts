import { withoutRepeats } from '../shared/notes.ts';
import { printNote } from '../shared/output.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Statistics } from './ledger/statistics.ts';
import { tripStatuses } from './messages.ts';

export type Progress = {
  /** A line for the user; the same one not again within a few seconds. */
  note: (text: string) => void;
  stop: () => void;
};

export type Crowd = { drivers: number; riders: number };

const ON_TERMINAL_EVERY_MS = 1_000;
const PLAIN_LINE_EVERY_MS = 5_000;

/** Back to the left edge, and the line cleared (ECMA-48). */
const CLEAR_LINE = '\r\x1b[K';

type Counted = 'published' | 'acknowledged' | 'delivered';

const milliseconds = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(1));

/** Makes the lines; each tells the rates since the one before. */
export class ProgressLines {
  readonly #ledger: Ledger;
  readonly #crowd: Crowd;
  readonly #startedAt: number;
  #lastAt: number;
  #last: Pick<Statistics, Counted> = { published: 0, acknowledged: 0, delivered: 0 };

  constructor(ledger: Ledger, crowd: Crowd, now: number) {
    this.#ledger = ledger;
    this.#crowd = crowd;
    this.#startedAt = now;
    this.#lastAt = now;
  }

  next(now: number): string {
    const { statistics } = this.#ledger;
    const seconds = Math.max(0.001, (now - this.#lastAt) / 1000);
    const rate = (name: Counted) => Math.round((statistics[name] - this.#last[name]) / seconds);
    const [p50, p99] = statistics.toRider.takeRecent(50, 99);
    const line = [
      `${Math.round((now - this.#startedAt) / 1000)} s`,
      `drivers ${statistics.driversConnected}/${this.#crowd.drivers}, riders ${statistics.ridersConnected}/${this.#crowd.riders}`,
      `trips ${this.#trips()}`,
      `${rate('published')} positions/s, ${rate('acknowledged')} acknowledged/s, ${rate('delivered')} delivered/s`,
      `driver to rider p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)} ms`,
      `errors ${this.#errors()}`,
    ].join(' | ');
    const { published, acknowledged, delivered } = statistics;
    this.#last = { published, acknowledged, delivered };
    this.#lastAt = now;
    return line;
  }

  #trips(): string {
    const counts = new Map<string, number>();
    for (const { status } of this.#ledger.trips.values())
      if (status !== undefined) counts.set(status, (counts.get(status) ?? 0) + 1);
    const shown = tripStatuses.filter((status) => counts.has(status));
    return shown.map((status) => `${counts.get(status)} ${status}`).join(', ') || '0';
  }

  #errors(): string {
    const { errors } = this.#ledger.statistics;
    return [...errors].map(([code, count]) => `${code} ${count}`).join(', ') || '0';
  }
}

/** Shows the books on stderr while they grow: a line in place on a terminal, else one every 5 s. */
export function startProgress(
  ledger: Ledger,
  crowd: Crowd,
  terminal: { columns: number } | undefined,
): Progress {
  const lines = new ProgressLines(ledger, crowd, performance.now());
  if (terminal === undefined) {
    const timer = setInterval(() => printNote(lines.next(performance.now())), PLAIN_LINE_EVERY_MS);
    return { note: withoutRepeats(printNote), stop: () => clearInterval(timer) };
  }
  // A terminal that does not know its width says 0
  const width = terminal.columns > 1 ? terminal.columns - 1 : Number.POSITIVE_INFINITY;
  const update = () => process.stderr.write(CLEAR_LINE + lines.next(performance.now()).slice(0, width));
  const timer = setInterval(update, ON_TERMINAL_EVERY_MS);
  return {
    note: withoutRepeats((text) => printNote(CLEAR_LINE + text)),
    stop: () => {
      clearInterval(timer);
      process.stderr.write(CLEAR_LINE);
    },
  };
}
