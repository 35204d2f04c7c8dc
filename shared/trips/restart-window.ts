/**
 * Messages that were on their way when the last process ended may not have arrived; nor those before, where it had been started
 * itself so shortly before that not everybody was back: starting alone takes up to 10 s.
 */
const BEFORE_MS = 60_000;
/** Clients come back within seconds; some, on the road, within a minute. */
const AFTER_MS = 120_000;

/**
 * The sessions of one process end with it. Whoever followed a trip then and comes back soon after is sent every status since, not only
 * the latest: it sees each version, in order.
 */
export class RestartWindow {
  private readonly from: number | undefined;
  private readonly until: number;

  /** `lastMessageAt`: when the last status message before this start was written, epoch ms; undefined: a first start. */
  constructor(lastMessageAt: number | undefined, startedAt: number) {
    this.from = lastMessageAt === undefined ? undefined : lastMessageAt - BEFORE_MS;
    this.until = startedAt + AFTER_MS;
  }

  /** Since when (epoch ms) messages are sent again to somebody who comes at `now`; undefined: the latest will do. */
  since(now: number): number | undefined {
    return now < this.until ? this.from : undefined;
  }
}
