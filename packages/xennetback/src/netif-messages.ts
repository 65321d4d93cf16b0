/*
 * What the domain controller's CMSG_NETIF_BE messages (io/domain_controller.h of Xen 2.0) mean to a network interface. The controller may be
 * trusted; what it passes on of a guest's, the numbers of two frames, may not.
 */
import {
  CMSG_NETIF_BE_CONNECT,
  CMSG_NETIF_BE_DISCONNECT,
  netif_be_connect,
  netif_be_create,
  netif_be_disconnect,
} from '@port-xen/abi';
import { BackMessages, deed } from '@port-xen/xenbus-backend';
import { NetifInterface, type NetifParts } from './netif-interface.ts';

/** The receiver of CMSG_NETIF_BE. */
export const netifMessages = (parts: NetifParts): BackMessages<NetifInterface> => {
  const create = deed(netif_be_create, ({ domid, netif_handle, mac }) => {
    const text = [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    return new NetifInterface(parts, domid, netif_handle, text);
  });
  return new BackMessages(create, {
    [CMSG_NETIF_BE_CONNECT]: deed(
      netif_be_connect,
      ({ tx_shmem_frame, rx_shmem_frame, evtchn }, netif) =>
        netif.connect(tx_shmem_frame, rx_shmem_frame, evtchn),
    ),
    [CMSG_NETIF_BE_DISCONNECT]: deed(netif_be_disconnect, (_, netif) => netif.disconnect()),
  });
};
