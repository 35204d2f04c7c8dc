import { NoSigningKeyError, type TokenSigner } from './auth/sign.ts';

export type Addresses = { mqtt: string; ws: string; rest: string; metrics: string };

const TTL_SECONDS = 24 * 3600;

/** Tokens to paste into a shell; where they are made elsewhere, who makes them. */
function tokens(signer: TokenSigner): string {
  const token = (role: 'DRIVER' | 'RIDER' | 'OPERATOR', sub: string) =>
    signer.sign({ sub, role, ttlSeconds: TTL_SECONDS });
  try {
    return `Tokens for a day, to paste into another terminal:

export DRIVER_TOKEN=${token('DRIVER', 'driver-1')}
export RIDER_TOKEN=${token('RIDER', 'rider-1')}
export OPERATOR_TOKEN=${token('OPERATOR', 'operator-1')}`;
  } catch (error) {
    if (error instanceof NoSigningKeyError) return error.message;
    throw error;
  }
}

/** What a newcomer needs to send a first position: where things are, and tokens. */
export function welcome(addresses: Addresses, signer: TokenSigner): string {
  return `
Fleetcast is ready.

  MQTT             ${addresses.mqtt}
  MQTT, WebSocket  ${addresses.ws}
  REST             ${addresses.rest}/v1
  Health           ${addresses.rest}/health
  Metrics          ${addresses.metrics}/metrics

${tokens(signer)}

`;
}
