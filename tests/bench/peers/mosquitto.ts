import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../support/services/free-port.ts';
import { GuardedProcess } from '../../support/services/guarded-process.ts';
import { usageIn } from '../processes.ts';
import type { Peer } from './peer.ts';
import { untilListening } from './until-listening.ts';

/** Debian's package has it there, which is not on everybody's PATH. */
const MOSQUITTO = process.env.MOSQUITTO ?? '/usr/sbin/mosquitto';

/** Relays, keeps nothing, asks nobody who they are. */
export async function startMosquitto(): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetcast-mosquitto-'));
  const port = await freePort();
  const settings = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'log_type error',
  ];
  await writeFile(
    join(directory, 'mosquitto.conf'),
    // As sockets of ours are; and a queue that holds what is on its way
    `${[...settings, 'set_tcp_nodelay true', 'max_inflight_messages 0', 'max_queued_messages 0'].join('\n')}\n`,
    { mode: 0o644 },
  );
  const server = new GuardedProcess({
    command: MOSQUITTO,
    args: ['-c', join(directory, 'mosquitto.conf')],
    directory,
    stopSignal: 'TERM',
  });
  await untilListening(port, server.ended);
  return {
    name: 'mosquitto',
    port,
    meters: { mosquitto: () => usageIn(directory) },
    stop: () => server.stop(),
  };
}
