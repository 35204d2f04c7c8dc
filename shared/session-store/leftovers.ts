import type { Logger } from '../telemetry/log.ts';

/**
 * What may be left of earlier sessions with the client ids of clean ones. All of one turn together, and nobody waits for it: where it
 * can't be done, it goes with its age.
 */
export class Leftovers {
  private readonly ids = new Set<string>();
  private readonly forget: (ids: readonly string[]) => Promise<void>;
  private readonly log: Logger;

  constructor(forget: (ids: readonly string[]) => Promise<void>, log: Logger) {
    this.forget = forget;
    this.log = log;
  }

  add(id: string): void {
    this.ids.add(id);
    if (this.ids.size === 1) setImmediate(() => void this.clear());
  }

  private async clear(): Promise<void> {
    const ids = [...this.ids];
    this.ids.clear();
    try {
      await this.forget(ids);
    } catch (error) {
      this.log.debug({ err: error }, 'leftovers of clean sessions go with their age');
    }
  }
}
