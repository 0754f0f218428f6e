import { rootCertificates } from 'node:tls';
import { AppError, messageOf, systemCodeOf } from '#core/std';

type ReadFile = (path: string) => Promise<string>;

/** Where systems keep their certificates in one file. Source: Go crypto/x509 root_linux.go, root_bsd.go. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** The system's own certificate authorities as PEM, or '' on a system that keeps none where others do. */
export async function systemCertificates(options: { readonly readFile: ReadFile }): Promise<string> {
  for (const path of SYSTEM_BUNDLES) {
    try {
      return await options.readFile(path);
    } catch (thrown) {
      if (systemCodeOf(thrown) === 'ENOENT') continue;
      throw unreadable(path, thrown);
    }
  }
  return '';
}

/**
 * One PEM text for `createClient({ ca })`: the runtime's authorities, the system's, and the private ones in `files`.
 * One text, because giving `fetch` a list of certificates costs three times as much for each request.
 */
export async function certificateBundle(options: {
  readonly readFile: ReadFile;
  readonly files?: readonly string[];
}): Promise<string> {
  const own = await Promise.all((options.files ?? []).map((path) => readPrivate(path, options.readFile)));
  return [...rootCertificates, await systemCertificates(options), ...own].join('\n');
}

async function readPrivate(path: string, readFile: ReadFile): Promise<string> {
  const text = await readFile(path).catch((cause) => {
    throw unreadable(path, cause);
  });
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  throw unreadable(path, new Error('it holds no PEM certificate'));
}

function unreadable(path: string, cause: unknown): AppError {
  return new AppError('CERTIFICATES_UNREADABLE', `the certificates in ${path} cannot be read`, {
    why: messageOf(cause),
    hint: 'name a readable PEM file',
    cause,
  });
}
