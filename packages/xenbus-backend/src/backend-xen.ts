import type { Dom0 } from '@port-xen/hypervisor';

/** What Xen does for a back end in domain 0. */
export type BackendXen = Pick<
  Dom0,
  'grantMap' | 'grantCopy' | 'bindInterdomain' | 'notify' | 'close'
>;
