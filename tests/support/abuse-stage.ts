import { expect } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { Bystander } from './bystander.ts';
import { COLLECT_ON_SIGNAL, heldMemory } from './chaos/memory.ts';
import { type Fleet, startFleet, type TokenMaker } from './fleet.ts';
import type { TestClient } from './mqtt-client.ts';
import { TEST_SECRET, token } from './platform.ts';
import { eventually } from './redis.ts';

/** MiB that the process may hold at the end beyond what it held at the beginning: code that was compiled meanwhile alone takes some. */
const MEMORY_ALLOWANCE = 40;

/** Digits of a coordinate that are written nowhere by chance. */
const TELLING_DIGITS = 8;

/**
 * A platform that a suite of abuse has for itself, at its most talkative, with a bystander beside it. At the end the process is the one
 * that was started, holds no more memory than before, and has written down no token, no secret, no position, and no error of its own.
 */
export class AbuseStage {
  readonly fleet: Fleet;
  readonly bystander: Bystander;
  /** An operator, who would see whatever is delivered. */
  readonly watcher: TestClient;
  private readonly hidden = new Set<string>([TEST_SECRET]);
  private readonly memoryBefore: number;

  private constructor(fleet: Fleet, bystander: Bystander, watcher: TestClient, memoryBefore: number) {
    this.fleet = fleet;
    this.bystander = bystander;
    this.watcher = watcher;
    this.memoryBefore = memoryBefore;
  }

  static async open(env: Record<string, string> = {}, makeToken: TokenMaker = token): Promise<AbuseStage> {
    const fleet = await startFleet({ LOG_LEVEL: 'trace', ...COLLECT_ON_SIGNAL, ...env }, makeToken);
    const bystander = await Bystander.beside(fleet);
    const watcher = await fleet.subscriber(
      'OPERATOR',
      'watcher',
      ['drivers/+/location', 'drivers/+/status', 'trips/#'],
      1,
    );
    await bystander.expectUndisturbed();
    return new AbuseStage(fleet, bystander, watcher, await heldMemory(fleet.platform));
  }

  /** A token that the log must not show. */
  async token(role: Role, sub: string, options?: Parameters<TokenMaker>[2]): Promise<string> {
    return this.hide(await this.fleet.token(role, sub, options));
  }

  /** A text that the log must not show; of a token, none of its parts but the header. */
  hide(text: string): string {
    const [, ...parts] = text.split('.');
    for (const part of parts.length === 2 ? parts : [text]) if (part.length >= 16) this.hidden.add(part);
    return text;
  }

  /** The beginning of a coordinate that the log must not show. */
  hidePlace({ latitude, longitude }: { latitude: number; longitude: number }): void {
    for (const degrees of [latitude, longitude]) {
      const digits = String(degrees);
      if (digits.length < TELLING_DIGITS) throw new Error(`${digits} could stand anywhere`);
      this.hidden.add(digits.slice(0, TELLING_DIGITS));
    }
  }

  /** Nothing that is hidden stands in a text that others may read. */
  expectDiscreet(text: string): void {
    const shown = [...this.hidden].filter((secret) => text.includes(secret));
    expect({ shown, text: shown.length === 0 ? '' : text }).toEqual({ shown: [], text: '' });
  }

  /** What the watcher was sent of drivers and trips other than the bystander's. */
  async delivered(): Promise<string[]> {
    // The bystander's next position comes after all that was delivered before it
    const seen = this.watcher.received.length;
    const mine = `drivers/${this.bystander.driverId}/location`;
    await this.bystander.expectUndisturbed();
    await eventually(
      () => this.watcher.received.slice(seen).some(({ topic }) => topic === mine),
      (isThere) => isThere,
    );
    const own = [`drivers/${this.bystander.driverId}/`, `trips/${this.bystander.tripId}/`];
    return this.watcher.received
      .map(({ topic }) => topic)
      .filter((topic) => !own.some((prefix) => topic.startsWith(prefix)));
  }

  /** `expected`: lines of errors that the suite has made on purpose. */
  async close(expected?: RegExp): Promise<void> {
    const { platform } = this.fleet;
    await this.bystander.end();
    expect(platform.process.exitCode).toBeNull();
    await eventually(
      () => heldMemory(platform),
      (now) => now < this.memoryBefore + MEMORY_ALLOWANCE,
    );
    await this.fleet.stop();
    for (const line of platform.output) {
      this.expectDiscreet(line);
      expect(() => JSON.parse(line)).not.toThrow();
    }
    expect(platform.output.filter((line) => /"level":[56]0/.test(line) && !expected?.test(line))).toEqual([]);
  }
}
