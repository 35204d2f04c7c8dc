type Place = { ready: boolean; acknowledge: () => void; whenFirst: (() => void) | undefined };

/**
 * Acknowledgements of one client in the order of its messages (MQTT 3.1.1, 4.6.0-2), though some are decided at once and
 * others wait for the log.
 */
export class AckQueue {
  private readonly waiting: Place[] = [];

  /** Takes a place in the queue. The returned function says that this message may be acknowledged. */
  take(acknowledge: () => void): () => void {
    const place: Place = { ready: false, acknowledge, whenFirst: undefined };
    this.waiting.push(place);
    return () => {
      place.ready = true;
      this.drain();
    };
  }

  /** Runs `work` once all that the client sent before its last message is acknowledged: what it says then, comes after. */
  afterEarlier(work: () => void): void {
    const last = this.waiting.at(-1);
    if (last === undefined || this.waiting.length === 1) work();
    else last.whenFirst = work;
  }

  private drain(): void {
    while (this.waiting[0]?.ready) this.waiting.shift()?.acknowledge();
    const first = this.waiting[0];
    const work = first?.whenFirst;
    if (first === undefined || work === undefined) return;
    first.whenFirst = undefined;
    work();
  }
}
