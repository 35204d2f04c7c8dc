import type { EmittedMessage, Listener } from './index.ts';
import { TopicIndex } from './topic-index.ts';

/** Who listens in this process. Lists are replaced, never changed: one that is being called may end its own subscription. */
export class LocalListeners {
  private readonly index = new TopicIndex<readonly Listener[]>();

  filters(): string[] {
    return this.index.filters();
  }

  /** True: the first for this filter. */
  add(filter: string, listener: Listener): boolean {
    const known = this.index.get(filter);
    this.index.set(filter, known === undefined ? [listener] : [...known, listener]);
    return known === undefined;
  }

  /** True: the last for this filter. */
  remove(filter: string, listener: Listener): boolean {
    const known = this.index.get(filter);
    const at = known?.indexOf(listener) ?? -1;
    if (known === undefined || at < 0) return false;
    if (known.length > 1) {
      this.index.set(filter, known.toSpliced(at, 1));
      return false;
    }
    this.index.delete(filter);
    return true;
  }

  /** At once; calls back when all of them have. */
  deliver(message: EmittedMessage, done: () => void): void {
    const lists = this.index.matching(message.topic);
    let open = 1;
    const one = () => {
      if (--open === 0) done();
    };
    for (const listeners of lists)
      for (const listener of listeners) {
        open++;
        listener(message, one);
      }
    one();
  }
}
