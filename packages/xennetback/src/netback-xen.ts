import type { Dom0 } from '@port-xen/hypervisor';
import type { BackendXen } from '@port-xen/xenbus-backend';

/** What Xen does for a network back end in domain 0: it gives frames away, too. */
export type NetbackXen = BackendXen & Pick<Dom0, 'grantTransfer'>;
