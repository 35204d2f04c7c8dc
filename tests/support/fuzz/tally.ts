import type { MutatedPacket } from './mutated.ts';
import type { Pipe } from './pipe.ts';

/** What the fuzzer has done so far. */
export class Tally {
  /** Mutated packets that were written while their connection was open: those alone of which that is sure. */
  packets = 0;
  private readonly counts: Record<string, number> = {};
  private readonly mutations: Record<string, number> = {};

  opened(): void {
    this.count('connections');
  }

  loggedIn(): void {
    this.count('logged in');
  }

  /** By the broker. */
  ended(): void {
    this.count('ended by the broker');
  }

  wrote(packets: readonly MutatedPacket[], transport: Pipe['transport'], when: string): void {
    this.packets += packets.length;
    this.count(`packets over ${transport}`, packets.length);
    this.count(`packets ${when}`, packets.length);
    for (const { mutation } of packets) this.mutations[mutation] = (this.mutations[mutation] ?? 0) + 1;
  }

  toString(): string {
    return [this.counts, this.mutations]
      .map((counts) => Object.entries(counts).map(([name, count]) => `${count} ${name}`))
      .map((parts) => parts.toSorted().join(', '))
      .join('; ');
  }

  private count(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by;
  }
}
