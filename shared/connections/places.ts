/** A connection that holds, or asks for, one of its driver's places. */
export type Placed = {
  sub: string;
  /** With the user's name space: unique in the whole cluster. */
  clientId: string;
  /** A UUID. */
  connectionId: string;
};

/** Gives the place back. More than once does nothing more. */
export type ReleasePlace = () => void;

/** Why a connection has lost its place while it was open: another one has its client id, or there are too many after an outage. */
export type PlaceLoss = 'TAKEN_OVER' | 'CONNECTION_LIMIT';

/**
 * Port: how many connections a driver has, over the whole cluster. A connection with the client id of another one takes that one
 * over, so it needs no place of its own.
 */
export type Places = {
  /** undefined: there is none. Never rejects: who can't ask the others decides by what it knows itself. */
  take(connection: Placed): Promise<ReleasePlace | undefined>;
  /** Whoever is told of here is to be closed. */
  onLost(listener: (connectionId: string, loss: PlaceLoss) => void): void;
  stop(): void;
};
