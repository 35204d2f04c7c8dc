/** What one driver's client knows of its positions: the other side of the history that the platform keeps. */
export class DriverLedger {
  readonly id: string;
  /** Epoch ms, ascending. */
  readonly sent: number[] = [];
  /** Epoch ms. */
  readonly acknowledged = new Set<number>();
  /** Told on the errors topic, which does not say which positions they were. */
  refused = 0;

  constructor(id: string) {
    this.id = id;
  }

  get unacknowledged(): number {
    return this.sent.length - this.acknowledged.size;
  }
}
