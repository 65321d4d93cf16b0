import type { Dom0 } from '@port-xen/hypervisor';
import type { BackendXen } from '@port-xen/xenbus-backend';

/** What Xen does for a network back end in domain 0: it gives frames away, too, and maps those that it knows by their numbers. */
export type NetbackXen = BackendXen & Pick<Dom0, 'grantTransfer' | 'mapFrame' | 'reassignPage'>;
