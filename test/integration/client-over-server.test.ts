import { registryContract } from '#core/registry/contract';
import { startLoopback } from './copy-loopback.ts';

/**
 * The whole contract once more through HTTP: client → server → memory. What one end says the other must understand,
 * so a promise of `types.ts` that the wire loses is lost here.
 */
registryContract(
  'a client of our own server',
  () => {
    const loopback = startLoopback();
    return { registry: loopback.client(), dispose: () => loopback.stop() };
  },
  {
    without: {
      'codes-of-resolve': 'HEAD has no body',
      principals: 'who asks is who the credentials say, not the call',
      'offset-of-one-byte': 'Range: 0-0 stands for none as well',
      'may-read': 'asked by the server of its own access rules',
    },
  },
);
