/**
 * How much there was of something lately: what is put in leaks away evenly, `perMinute` of it a minute. More than that at once is more
 * than there may be; less, however often, is not.
 */
export class Meter {
  private level = 0;
  private at = 0;

  /** Puts one in at `now` (ms); true: there is more in it than a minute's worth. */
  add(now: number, perMinute: number): boolean {
    // A clock that was set back leaks nothing
    const leaked = (Math.max(0, now - this.at) * perMinute) / 60_000;
    this.level = Math.max(0, this.level - leaked) + 1;
    this.at = now;
    return this.level > perMinute;
  }

  empty(): void {
    this.level = 0;
  }
}
