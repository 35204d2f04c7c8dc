import { randomUUID } from 'node:crypto';
import type { EmittedMessage, Emitter } from '../emitter/index.ts';

/** Below `$`, where no client may publish or subscribe. */
const CLOSE_TOPIC = '$fleetcast/connections/close';
const REVOKE_TOPIC = '$fleetcast/revocations';
const COMMITTED_TOPIC = '$fleetcast/outbox';
const ERASE_TOPIC = '$fleetcast/erasures';

/** Personal data that somebody wants gone. `before` (epoch ms): what was recorded earlier. */
export type Erasure =
  | { kind: 'positions'; driverId: string; before: number }
  | { kind: 'trip'; tripId: string };

export type Revocation = { kind: 'sub' | 'jti'; value: string; until: number };

/** What goes from whoever is asked over REST to every process that has connections, or something in memory: as messages, since it may be any of them. */
export type Control = {
  closeConnection(id: string): void;
  revoke(revocation: Revocation): void;
  /** A change of a trip has been committed, and its message waits in the outbox. */
  wakeRelay(): void;
  /** It is gone from the database. */
  erase(erasure: Erasure): void;
  onCloseConnection(listener: (id: string) => void): void;
  onRevoke(listener: (revocation: Revocation) => void): void;
  onWakeRelay(listener: () => void): void;
  onErase(listener: (erasure: Erasure) => void): void;
};

export function createControl(emitter: Emitter): Control {
  const brokerId = randomUUID();
  let brokerCounter = 0;
  const send = (topic: string, message: unknown) =>
    emitter.emit({
      cmd: 'publish',
      topic,
      payload: Buffer.from(JSON.stringify(message)),
      qos: 0,
      retain: false,
      brokerId,
      brokerCounter: ++brokerCounter,
    });
  const listen = <T>(topic: string, listener: (message: T) => void) =>
    emitter.on(topic, (message: EmittedMessage, done) => {
      listener(JSON.parse(message.payload.toString()) as T);
      done();
    });
  return {
    closeConnection: (id) => send(CLOSE_TOPIC, { id }),
    revoke: (revocation) => send(REVOKE_TOPIC, revocation),
    wakeRelay: () => send(COMMITTED_TOPIC, {}),
    erase: (erasure) => send(ERASE_TOPIC, erasure),
    onCloseConnection: (listener) => listen<{ id: string }>(CLOSE_TOPIC, ({ id }) => listener(id)),
    onWakeRelay: (listener) => listen(COMMITTED_TOPIC, listener),
    onRevoke: (listener) => listen<Revocation>(REVOKE_TOPIC, listener),
    onErase: (listener) => listen<Erasure>(ERASE_TOPIC, listener),
  };
}
