import type { Config } from '../../shared/config.ts';

const schemes = {
  broker: ['mqtt:', 'mqtts:', 'tcp:', 'ssl:', 'ws:', 'wss:'],
  rest: ['http:', 'https:'],
} as const;

const examples = {
  broker: 'mqtt://host:1883 or ws://host:8083/mqtt',
  rest: 'http://host:8096',
} as const;

/**
 * An address from the command line; undefined with a line in `problems` when it is none. A WebSocket address without
 * a path gets the platform's, `/mqtt` (SPEC section 3).
 */
export function addressOption(
  option: string,
  kind: keyof typeof schemes,
  text: string,
  problems: string[],
): string | undefined {
  const allowed: readonly string[] = schemes[kind];
  if (!URL.canParse(text) || !allowed.includes(new URL(text).protocol)) {
    problems.push(`${option}: "${text}" is not an address like ${examples[kind]}`);
    return undefined;
  }
  const url = new URL(text);
  if (url.username !== '' || url.password !== '')
    problems.push(`${option}: a token has no place in the address`);
  if (url.protocol.startsWith('ws') && url.pathname.length <= 1) url.pathname = '/mqtt';
  return url.toString();
}

/** Where clients on this machine reach a platform that listens on HOST: every address means this machine. */
export function localAddresses({ host, mqtt, api }: Config): { mqtt: string; ws: string; rest: string } {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const name = reachable.includes(':') ? `[${reachable}]` : reachable;
  return {
    mqtt: `mqtt://${name}:${mqtt.port}`,
    ws: `ws://${name}:${mqtt.wsPort}/mqtt`,
    rest: `http://${name}:${api.port}`,
  };
}
