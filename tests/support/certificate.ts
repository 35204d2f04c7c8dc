import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { needPrograms } from './services/programs.ts';

export type Certificate = { certFile: string; keyFile: string; pem: string; remove(): Promise<void> };

/** A certificate for localhost that is its own authority, good for a day. */
export async function selfSignedCertificate(): Promise<Certificate> {
  await needPrograms('openssl');
  const directory = await mkdtemp(join(tmpdir(), 'fleetcast-tls-'));
  const certFile = join(directory, 'cert.pem');
  const keyFile = join(directory, 'key.pem');
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', keyFile, '-out', certFile, '-days', '1'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
  ]);
  return {
    certFile,
    keyFile,
    pem: await readFile(certFile, 'utf8'),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
