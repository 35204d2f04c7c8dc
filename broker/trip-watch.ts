import { uuidPattern } from '../shared/ids.ts';
import type { FollowStates } from '../shared/trips/follow-states.ts';
import type { FollowState } from '../shared/trips/sql/find-follow-states.ts';
import type { TripStatusMessage } from '../shared/trips/trip.ts';
import type { SessionClient } from './session.ts';

type Watched = {
  clients: Set<SessionClient>;
  state: FollowState | undefined;
  /** Messages that came while the state was being looked up. */
  early: TripStatusMessage[];
  lookup: Promise<void>;
};

/**
 * The trips that clients of this broker follow: who their parties are, where they stand. One look-up when the first
 * follower comes (all that come in one turn together), from then on kept up by the status messages.
 */
export class TripWatch {
  private readonly trips = new Map<string, Watched>();
  private batch: { ids: Set<string>; result: Promise<Map<string, FollowState>> } | undefined;
  /** Each is handed to many subscribers, and read once. */
  private readonly heard = new WeakMap<Buffer, number>();
  private readonly states: FollowStates;

  constructor(states: FollowStates) {
    this.states = states;
  }

  /** Begins to watch a trip for a client. undefined: there is no such trip. */
  async follow(client: SessionClient, tripId: string): Promise<FollowState | undefined> {
    const id = tripId;
    if (!uuidPattern.test(id)) return undefined;
    let watched = this.trips.get(id);
    if (watched === undefined) {
      const entry: Watched = { clients: new Set(), state: undefined, early: [], lookup: Promise.resolve() };
      entry.lookup = this.lookUp(id).then((state) => {
        entry.state = state;
        for (const message of entry.early.splice(0)) advance(entry, message);
      });
      this.trips.set(id, entry);
      watched = entry;
    }
    watched.clients.add(client);
    try {
      await watched.lookup;
    } catch (error) {
      if (this.trips.get(id) === watched) this.trips.delete(id);
      throw error;
    }
    if (watched.state === undefined) this.unfollow(client, id);
    return watched.state;
  }

  unfollow(client: SessionClient, tripId: string): void {
    const watched = this.trips.get(tripId);
    watched?.clients.delete(client);
    if (watched?.clients.size === 0) this.trips.delete(tripId);
  }

  state(tripId: string): FollowState | undefined {
    return this.trips.get(tripId)?.state;
  }

  /** What a new follower is sent first: the status from a version on; after a restart, all since then, in order. */
  firstMessages(tripId: string, fromVersion: number): readonly TripStatusMessage[] {
    const messages = this.state(tripId)?.messages ?? [];
    return this.states.afterRestart() ? messages : messages.filter(({ version }) => version >= fromVersion);
  }

  followers(tripId: string): ReadonlySet<SessionClient> {
    return this.trips.get(tripId)?.clients ?? new Set();
  }

  /** A status message is being handed out: it changes who may have it, also the message itself. Gives its version. */
  hear(payload: Buffer): number {
    const known = this.heard.get(payload);
    if (known !== undefined) return known;
    const message = JSON.parse(payload.toString()) as TripStatusMessage;
    this.heard.set(payload, message.version);
    this.apply(message);
    return message.version;
  }

  /** A status message went out. */
  apply(message: TripStatusMessage): void {
    const watched = this.trips.get(message.tripId);
    if (watched === undefined) return;
    if (watched.state === undefined) watched.early.push(message);
    else advance(watched, message);
  }

  /** Asks anew where all the trips stand that are followed here. Gives those messages that have not come. */
  async missed(): Promise<TripStatusMessage[]> {
    const missed: TripStatusMessage[] = [];
    const ids = [...this.trips.keys()];
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      for (const state of await this.states.find(ids.slice(from, from + AT_ONCE))) {
        const known = this.state(state.id)?.messages.at(-1)?.version;
        // One that is just being looked up misses nothing
        if (known === undefined) continue;
        missed.push(...state.messages.filter(({ version }) => version > known));
      }
    }
    return missed;
  }

  private async lookUp(tripId: string): Promise<FollowState | undefined> {
    if (this.batch === undefined) {
      const ids = new Set<string>();
      const result = new Promise<void>((resolve) => setImmediate(resolve)).then(async () => {
        this.batch = undefined;
        const states = await this.states.find([...ids]);
        return new Map(states.map((state) => [state.id, state]));
      });
      this.batch = { ids, result };
    }
    this.batch.ids.add(tripId);
    return (await this.batch.result).get(tripId);
  }
}

function advance(watched: Watched, message: TripStatusMessage): void {
  const { state } = watched;
  if (state === undefined || message.version <= (state.messages.at(-1)?.version ?? 0)) return;
  watched.state = {
    ...state,
    driverId: message.driverId,
    status: message.status,
    messages: [...state.messages, message].slice(-MAX_MESSAGES),
  };
}

/** Trips in one query. */
const AT_ONCE = 500;

/** A trip has six statuses; the rest are re-assignments. */
const MAX_MESSAGES = 20;
