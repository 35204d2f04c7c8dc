import ipaddr from 'ipaddr.js';

/** The half of an IPv6 address that a provider gives to one customer (RFC 6177: at least a /64). */
const PREFIX_BYTES = 8;

export type Network = {
  /** What connections are counted by: an IPv4 address, or the /64 of an IPv6 address. */
  key: string;
  /** This machine itself. */
  isLoopback: boolean;
};

/** undefined: it is no IP address. */
export function networkOf(address: string): Network | undefined {
  if (!ipaddr.isValid(address)) return undefined;
  // An IPv4 address in IPv6's notation is one of IPv4
  const parsed = ipaddr.process(address);
  const isLoopback = parsed.range() === 'loopback';
  if (parsed.kind() === 'ipv4') return { key: parsed.toString(), isLoopback };
  const bytes = parsed.toByteArray();
  const prefix = [...bytes.slice(0, PREFIX_BYTES), ...new Array<number>(16 - PREFIX_BYTES).fill(0)];
  return { key: `${ipaddr.fromByteArray(prefix).toString()}/64`, isLoopback };
}
