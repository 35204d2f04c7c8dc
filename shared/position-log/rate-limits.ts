/** null: may pass; else milliseconds until it would. */
export type Wait = number | null;

/** At most one live position in every interval. */
export class LiveInterval {
  private nextAt = 0;

  take(now: number, minIntervalMs: number): Wait {
    const wait = this.nextAt - now;
    // Longer than the whole interval: the clock was set back, and nobody is to wait until it has caught up
    if (wait > 0 && wait <= minIntervalMs) return wait;
    this.nextAt = now + minIntervalMs;
    return null;
  }
}

/**
 * A token bucket (RFC 2697's idea, one rate): full at first, refilled evenly over a minute. A batch larger than the whole
 * bucket passes when the bucket is full and leaves a debt, so that no batch waits for ever.
 */
export class BacklogBudget {
  private tokens: number;
  private refilledAt: number;

  constructor(now: number, perMinute: number) {
    this.tokens = perMinute;
    this.refilledAt = now;
  }

  take(now: number, positions: number, perMinute: number): Wait {
    const elapsed = Math.max(0, now - this.refilledAt);
    this.tokens = Math.min(perMinute, this.tokens + (elapsed * perMinute) / 60_000);
    this.refilledAt = now;
    const needed = Math.min(positions, perMinute);
    // Refilling in small steps adds up to a hair less than in one
    if (this.tokens < needed - 1e-6) return Math.ceil(((needed - this.tokens) * 60_000) / perMinute);
    this.tokens -= positions;
    return null;
  }
}
