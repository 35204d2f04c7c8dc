import { Apt } from './services/apt.ts';
import { succeeds } from './services/run.ts';

const PACKAGE = 'mosquitto-clients';

const isThere = async () =>
  (await succeeds('which', 'mosquitto_pub')) && (await succeeds('which', 'mosquitto_sub'));

/** mosquitto's clients are found as the services of the tests are: on this machine, or else installed. */
export async function needMosquittoClients(): Promise<void> {
  if (await isThere()) return;
  const apt = new Apt((line) => void process.stderr.write(`${line}\n`));
  const closed = await apt.install(async () => PACKAGE);
  if (closed === undefined && (await isThere())) return;
  throw new Error(
    `No mosquitto_pub and mosquitto_sub for the tests. Install ${PACKAGE}, on Debian and Ubuntu with apt-get (run as root, the tests do it themselves: ${closed?.reason ?? 'they are not on the PATH'})`,
  );
}
