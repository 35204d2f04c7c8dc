import { Aedes, type AedesOptions, type Client } from 'aedes';
import type { Emitter } from '../shared/emitter/index.ts';
import type { SessionClient } from './session.ts';

/**
 * Set on a packet that our own chain has dealt with: Aedes acknowledges it (PUBACK, PUBREC) and does no more: it is
 * not retained, queued or handed to subscribers as the client sent it.
 */
export const DEALT_WITH = Symbol('dealt with');

type Packet = { dup?: boolean; [DEALT_WITH]?: boolean };
type Done = (error?: Error) => void;

type Publish = (packet: Packet, client: Client | Done | null, done?: Done) => void;
type Registry = {
  clients: Record<string, Client>;
  connectedClients: number;
  maxTopicLevels: number;
  _clearWillInterval: NodeJS.Timeout;
};

export class FleetBroker extends Aedes {
  static async start(options: AedesOptions): Promise<FleetBroker> {
    const broker = new FleetBroker(options);
    // A topic with too many levels would end the connection before the table of topics is asked, and be no more than
    // another one that is not in it. (Aedes fears for its tries: only what the table grants gets there.)
    (broker as unknown as Registry).maxTopicLevels = Number.MAX_SAFE_INTEGER;
    broker.noteTakeovers(options.mq as Emitter);
    await broker.listen();
    // The sweep for the wills of brokers that died: there is none but us, and after a machine has slept it would send those
    // of our own clients, who are connected
    clearInterval((broker as unknown as Registry)._clearWillInterval);
    return broker;
  }

  override publish(packet: Packet, client: Client | Done | null, done?: Done): void {
    const callback = typeof client === 'function' ? client : done;
    if (packet[DEALT_WITH]) return callback?.();
    // MQTT 3.1.1, 3.3.1-3: whether a client has sent it twice says nothing to those that it goes to
    if (packet.dup) packet.dup = false;
    (Aedes.prototype.publish as unknown as Publish).call(this, packet, client, done);
  }

  /**
   * A client that was taken over may come to its end after the new one has its place: then the place is not its
   * own to clear.
   */
  unregisterClient(client: Client): void {
    const registry = this as unknown as Registry;
    if (registry.clients[client.id] === client) delete registry.clients[client.id];
    registry.connectedClients--;
    this.emit('clientDisconnect', client);
  }

  /** A client with the same id comes in, and this one has to go. */
  registerClient(client: Client): void {
    this.isTakenOver(client.id);
    (Aedes.prototype as unknown as { registerClient(client: Client): void }).registerClient.call(
      this,
      client,
    );
  }

  /** One that was closed on its way in is not taken for a client: its end has been, and nobody would take it out again. */
  _finishRegisterClient(client: Client): void {
    if (client.closed) return;
    const { _finishRegisterClient } = Aedes.prototype as unknown as {
      _finishRegisterClient(client: Client): void;
    };
    _finishRegisterClient.call(this, client);
  }

  /** The same on another broker. Before Aedes listens, which closes them: what is told of the end is why it was. */
  private noteTakeovers(emitter: Emitter): void {
    emitter.on('$SYS/+/new/clients', ({ topic, payload }, done) => {
      if (topic.split('/')[1] !== this.id) this.isTakenOver(payload.toString());
      done();
    });
  }

  private isTakenOver(clientId: string): void {
    const known = (this as unknown as Registry).clients[clientId] as SessionClient | undefined;
    if (known?.session !== undefined) known.session.closeReason ??= 'TAKEN_OVER';
  }

  /** Every client that is connected now. */
  everyClient(): Client[] {
    return Object.values((this as unknown as Registry).clients);
  }
}
