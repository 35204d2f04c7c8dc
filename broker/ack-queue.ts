/**
 * Acknowledgements of one client in the order of its messages (MQTT 3.1.1, 4.6.0-2), though some are decided at once and
 * others wait for the log.
 */
export class AckQueue {
  private readonly waiting: { ready: boolean; acknowledge: () => void }[] = [];

  /** Takes a place in the queue. The returned function says that this message may be acknowledged. */
  take(acknowledge: () => void): () => void {
    const place = { ready: false, acknowledge };
    this.waiting.push(place);
    return () => {
      place.ready = true;
      this.drain();
    };
  }

  private drain(): void {
    while (this.waiting[0]?.ready) this.waiting.shift()?.acknowledge();
  }
}
