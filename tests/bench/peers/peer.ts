import type { Meters } from '../processes.ts';

/** A broker that relays what it gets, to be measured beside ours. */
export type Peer = { name: string; port: number; meters: Meters; stop(): Promise<void> };
