import { isIP } from 'node:net';
import proxyAddr from 'proxy-addr';

/** Is the one at this address, `hop` steps before us, a proxy that may say whom it speaks for? */
export type Trust = (address: string, hop: number) => boolean;

/** TRUST_PROXY, by the rules of Express, so that MQTT and REST take the same client for the same. */
export function createTrust(setting: boolean | number | string): Trust {
  if (typeof setting === 'boolean') return () => setting;
  if (typeof setting === 'number') return (_address, hop) => hop < setting;
  return proxyAddr.compile(setting.split(',').map((item) => item.trim()));
}

/** Of the addresses on the way here, the nearest first: the first one that is no trusted proxy. */
export function clientAddress(way: readonly string[], trust: Trust): string | undefined {
  let hop = 0;
  for (;;) {
    const address = way[hop];
    const before = way[hop + 1];
    // What is no address is of no use to anybody
    if (address === undefined || before === undefined || isIP(before) === 0 || !trust(address, hop))
      return address;
    hop++;
  }
}

/** X-Forwarded-For, the nearest first. */
export function forwardedFor(header: string | string[] | undefined): string[] {
  return [header ?? []]
    .flat()
    .join(',')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .reverse();
}
