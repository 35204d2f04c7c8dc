/** What this node wants, told to the others: the changes of one turn of the event loop together, numbered. */
export class Announcements {
  /** Of the last change that was told. */
  version = 0;
  private changes = new Map<string, boolean>();
  private waiting: (() => void)[] = [];
  /** Settles with the last one that was told. */
  private told: Promise<void> = Promise.resolve();

  get isEmpty(): boolean {
    return this.changes.size === 0 && this.waiting.length === 0;
  }

  /** `done`: it was told. */
  change(filter: string, isWanted: boolean, done?: () => void): void {
    // Wanted and not wanted any more within one turn: nothing to tell
    if (this.changes.get(filter) === !isWanted) this.changes.delete(filter);
    else this.changes.set(filter, isWanted);
    if (done !== undefined) this.waiting.push(done);
  }

  /** Calls back when all that was changed before has been told. */
  afterwards(done: () => void): void {
    this.waiting.push(done);
  }

  /** Hands the changes to `tell`. Whether that fails or not, nobody waits for more: who missed it will notice, and ask. */
  tell(tell: (version: number, added: string[], removed: string[]) => Promise<void>): void {
    const { changes, waiting } = this;
    this.changes = new Map();
    this.waiting = [];
    if (changes.size > 0) {
      const filters = (isWanted: boolean) =>
        [...changes].filter(([, wanted]) => wanted === isWanted).map(([filter]) => filter);
      this.told = tell(++this.version, filters(true), filters(false)).catch(() => undefined);
    }
    void this.told.then(() => {
      for (const done of waiting) done();
    });
  }

  /** All that is wanted is told anyway, or there is nobody to tell. */
  skip(): void {
    if (this.changes.size > 0) this.version++;
    this.changes = new Map();
    for (const done of this.waiting.splice(0)) setImmediate(done);
  }
}
