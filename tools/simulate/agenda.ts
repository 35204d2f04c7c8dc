import { Heap } from './heap.ts';

/** How late a task may be. */
const TICK_MS = 10;

/**
 * What is to be done when, for thousands of drivers and riders: one timer for all. Times are those of
 * performance.now(), in milliseconds.
 */
export class Agenda {
  readonly #tasks = new Heap<(now: number) => void>();
  #timer: NodeJS.Timeout | undefined;

  at(due: number, task: (now: number) => void): void {
    this.#tasks.push(due, task);
  }

  start(): void {
    this.#timer = setInterval(() => this.runDue(performance.now()), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Those that a task adds are run too, once they are due by the same clock reading. */
  runDue(now: number): void {
    while ((this.#tasks.smallestKey ?? Number.POSITIVE_INFINITY) <= now) this.#tasks.pop()?.(now);
  }
}
