import type { ConnectPacket } from 'aedes';
import type { MqttLimits } from '../shared/config/mqtt-limits.ts';
import type { SessionClient } from './session.ts';
import { WebSocketStream } from './websocket-stream.ts';

export type KeepaliveLimits = Pick<MqttLimits, 'minKeepaliveSeconds' | 'maxKeepaliveSeconds'>;

/**
 * Keep alive (MQTT 3.1.1, 3.1.2.10): a client that is silent for one and a half times as long as it asked for is closed, by Aedes.
 *
 * MQTT 3.1.1 can't tell a client another value. So one that asks for less than the least is watched with that; one that asks for none
 * (0), or for more than the most, may be silent as long as it likes, but has to be there: TCP is probed by the system (see listeners.ts),
 * and a WebSocket, behind which a proxy may answer the probes, by pings, that every WebSocket client answers by itself.
 */
export function boundKeepalive(client: SessionClient, packet: ConnectPacket, limits: KeepaliveLimits): void {
  const asked = packet.keepalive ?? 0;
  const { minKeepaliveSeconds, maxKeepaliveSeconds } = limits;
  if (asked > 0) packet.keepalive = Math.max(asked, minKeepaliveSeconds);
  const isBound = asked > 0 && asked <= maxKeepaliveSeconds;
  if (!isBound && client.conn instanceof WebSocketStream) client.conn.probe(maxKeepaliveSeconds * 1000);
}
