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
  private readonly heard = new WeakMap<Buffer, TripStatusMessage>();
  private readonly states: Pick<FollowStates, 'find' | 'afterRestart'>;
  private readonly skipped: (tripId: string) => void;

  /** `skipped`: a message of this trip has come, and one before it has not. */
  constructor(
    states: Pick<FollowStates, 'find' | 'afterRestart'>,
    skipped: (tripId: string) => void = () => undefined,
  ) {
    this.states = states;
    this.skipped = skipped;
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
        for (const message of entry.early.splice(0)) this.advance(entry, message);
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

  /** A status message is being handed out: it changes who may have it, also the message itself. */
  hear(payload: Buffer): TripStatusMessage {
    const known = this.heard.get(payload);
    if (known !== undefined) return known;
    const message = this.read(payload);
    this.heard.set(payload, message);
    this.apply(message);
    return message;
  }

  /** One that waited for a single client. To the others it says nothing: what leads up to it they may not have had. */
  read(payload: Buffer): TripStatusMessage {
    return this.heard.get(payload) ?? (JSON.parse(payload.toString()) as TripStatusMessage);
  }

  /** A status message went out. One that has skipped another changes nothing: it comes again with what is looked up. */
  apply(message: TripStatusMessage): void {
    const watched = this.trips.get(message.tripId);
    if (watched === undefined) return;
    if (watched.state === undefined) watched.early.push(message);
    else this.advance(watched, message);
  }

  /** What was lost, as the database has it. */
  fill(tripId: string, messages: readonly TripStatusMessage[]): void {
    const watched = this.trips.get(tripId);
    const told = this.version(tripId);
    const latest = messages.at(-1);
    if (watched?.state === undefined || latest === undefined || latest.version <= told) return;
    const { state } = watched;
    const missed = messages.filter(({ version }) => version > told);
    watched.state = stateAfter(state, latest, [...state.messages, ...missed]);
  }

  /** Up to which its followers have been told; 0: it is not known yet. */
  version(tripId: string): number {
    return latestOf(this.state(tripId));
  }

  /** The same, when it is known; undefined: nobody follows it. Does not reject. */
  async toldOf(tripId: string): Promise<number | undefined> {
    await this.trips.get(tripId)?.lookup.catch(() => undefined);
    return this.state(tripId)?.messages.at(-1)?.version;
  }

  tripIds(): Iterable<string> {
    return this.trips.keys();
  }

  private advance(watched: Watched, message: TripStatusMessage): void {
    const { state } = watched;
    const told = latestOf(state);
    if (state === undefined || message.version <= told) return;
    if (message.version > told + 1) this.skipped(message.tripId);
    else watched.state = stateAfter(state, message, [...state.messages, message].slice(-MAX_MESSAGES));
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

const latestOf = (state: FollowState | undefined) => state?.messages.at(-1)?.version ?? 0;

const stateAfter = (
  state: FollowState,
  { driverId, status }: TripStatusMessage,
  messages: TripStatusMessage[],
): FollowState => ({ ...state, driverId, status, messages });

/** A trip has six statuses; the rest are re-assignments. */
const MAX_MESSAGES = 20;
