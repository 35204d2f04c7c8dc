import { MultiBar, Presets } from 'cli-progress';
import { withoutRepeats } from '../shared/notes.ts';
import { printNote } from '../shared/output.ts';
import type { Tally } from './tally.ts';

export type Progress = {
  /** A line for the user; the same one not again within a few seconds. */
  note: (text: string) => void;
  stop: () => void;
};

const PLAIN_LINE_EVERY_MS = 5_000;
const BAR_UPDATE_EVERY_MS = 200;

/** Acknowledgements a second, over the last few seconds. */
class Rate {
  #samples: { at: number; count: number }[] = [];

  constructor(now: number) {
    this.#samples.push({ at: now, count: 0 });
  }

  measure(now: number, count: number): number {
    this.#samples.push({ at: now, count });
    while (this.#samples.length > 2 && now - (this.#samples[0]?.at ?? now) > PLAIN_LINE_EVERY_MS)
      this.#samples.shift();
    const first = this.#samples[0] ?? { at: now, count };
    return now === first.at ? 0 : Math.round(((count - first.count) * 1000) / (now - first.at));
  }
}

function startBar(tally: Tally): Progress {
  const bars = new MultiBar(
    {
      format:
        '{bar} {value}/{total} sent | {acknowledged} acknowledged | {rate}/s | {rejected} rejected | {eta_formatted} left',
      barsize: 24,
      hideCursor: true,
      gracefulExit: false,
      emptyOnZero: true,
    },
    Presets.shades_classic,
  );
  const bar = bars.create(tally.total, 0, { acknowledged: 0, rate: 0, rejected: 0 });
  const rate = new Rate(performance.now());
  const update = () =>
    bar.update(tally.sent, {
      acknowledged: tally.acknowledged,
      rate: rate.measure(performance.now(), tally.acknowledged),
      rejected: tally.rejectedCount,
    });
  const timer = setInterval(update, BAR_UPDATE_EVERY_MS);
  return {
    note: withoutRepeats((text) => bars.log(`${text}\n`)),
    stop: () => {
      clearInterval(timer);
      update();
      bars.stop();
    },
  };
}

function startPlainLines(tally: Tally): Progress {
  const rate = new Rate(performance.now());
  const timer = setInterval(() => {
    const perSecond = rate.measure(performance.now(), tally.acknowledged);
    printNote(
      `${tally.sent}/${tally.total} sent, ${tally.acknowledged} acknowledged, ${perSecond}/s, ${tally.rejectedCount} rejected`,
    );
  }, PLAIN_LINE_EVERY_MS);
  return { note: withoutRepeats(printNote), stop: () => clearInterval(timer) };
}

/** Shows a tally on stderr while it grows: a bar on a terminal, else a plain line every 5 s. */
export function startProgress(tally: Tally, onTerminal: boolean): Progress {
  return onTerminal ? startBar(tally) : startPlainLines(tally);
}
