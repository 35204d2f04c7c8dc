import type { TokenSigner } from './auth/sign.ts';

export type Addresses = { mqtt: string; ws: string; rest: string; metrics: string };

const TTL_SECONDS = 24 * 3600;

/** What a newcomer needs to send a first position: where things are, and tokens to paste into a shell. */
export function welcome(addresses: Addresses, signer: TokenSigner): string {
  const token = (role: 'DRIVER' | 'RIDER' | 'OPERATOR', sub: string) =>
    signer.sign({ sub, role, ttlSeconds: TTL_SECONDS });
  return `
Fleetcast is ready.

  MQTT             ${addresses.mqtt}
  MQTT, WebSocket  ${addresses.ws}
  REST             ${addresses.rest}/v1
  Health           ${addresses.rest}/health
  Metrics          ${addresses.metrics}/metrics

Tokens for a day, to paste into another terminal:

export DRIVER_TOKEN=${token('DRIVER', 'driver-1')}
export RIDER_TOKEN=${token('RIDER', 'rider-1')}
export OPERATOR_TOKEN=${token('OPERATOR', 'operator-1')}

`;
}
