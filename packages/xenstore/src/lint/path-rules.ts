/*
 * Which nodes a store may hold, of what form, and whose they are: Xen's docs/misc/xenstore-paths
 * (P) as data, and the directories that it leaves to others, from io/blkif.h (B), io/netif.h (N),
 * console.txt (C) and what libxl writes (L).
 *
 * A line is a path, the form of its value, and who besides dom0 may use the node:
 *
 *     r   the domain whose home it is in (in a back end's directory: that $DOMID names) may read it
 *         and nobody else has access
 *     w   that domain may write it too
 *     -   no domain may read it
 *
 * In a path `~` is a domain's home, $DOMID, $DEVID, $INDEX and $UUID stand for a name of that form,
 * `a,b` for either, and `*`, at the end, for any names. A form is a name of FORMS, or alternatives
 * with | between; "" is the empty value. A node that only leads to others is empty and not written
 * by a domain; where it has a line of its own, that line says.
 */
import type { FormName } from './value-forms.ts';

/** Whose a node is, see above. */
export type Use = 'r' | 'w' | '-';

/** What is known of the nodes that a path pattern stands for. */
export type PathRule = readonly [
  path: string,
  form: FormName | `${FormName}|${FormName}`,
  use: Use,
];

const HOME: readonly PathRule[] = [
  // P: general
  ['~/vm', 'PATH', 'r'],
  ['~/name', 'STRING', 'r'],
  ['~/domid', 'INTEGER', 'r'],
  ['~/cpu/$INDEX/availability', 'AVAILABILITY', 'r'],
  ['~/memory/static-max,target,videoram', 'MEMKB', 'r'],
  ['~/store/port', 'EVTCHN', 'r'],
  ['~/store/ring-ref', 'GNTREF', 'r'],
  // P: control; the empty value is the toolstack's, or the answer
  ['~/control/shutdown', '""|COMMAND', 'w'],
  ['~/control/sysrq', 'STRING', 'w'],
  ['~/control/feature-poweroff,feature-reboot,feature-suspend', '""|FLAG', 'w'],
  [
    '~/control/platform-feature-multiprocessor-suspend,platform-feature-xs_reset_watches',
    'FLAG',
    'r',
  ],
  ['~/device/suspend/event-channel', '""|EVTCHN', 'w'],
  // P: the domain's own
  ['~/data', '""', 'w'],
  ['~/data/*', 'STRING', 'w'],
  ['~/drivers', '""', 'w'],
  ['~/drivers/$INDEX', 'STRING', 'w'],
  ['~/feature', '""', 'w'],
  ['~/feature/hotplug', '""', 'w'],
  ['~/feature/hotplug/vif,vbd', 'FLAG', 'w'],
  ['~/attr', '""', 'w'],
  ['~/attr/*', 'STRING', 'w'],
  ['~/error', '""', 'w'],
  ['~/error/*', 'STRING', 'w'],
  // C, L: the primary console, whose ring is told by frame number
  ['~/console/backend', 'PATH', 'r'],
  ['~/console/backend-id', 'INTEGER', 'r'],
  ['~/console/limit', 'INTEGER', 'r'],
  ['~/console/type,output,tty', 'STRING', 'r'],
  ['~/console/port', 'EVTCHN', 'r'],
  ['~/console/ring-ref', 'INTEGER', 'r'],
];

const FRONT_ENDS: readonly PathRule[] = [
  ['~/device/vbd,vif/$DEVID', '""', 'w'],
  ['~/device/vbd,vif/$DEVID/backend', 'PATH', 'w'],
  ['~/device/vbd,vif/$DEVID/backend-id,handle', 'INTEGER', 'w'],
  ['~/device/vbd,vif/$DEVID/state', 'STATE', 'w'],
  ['~/device/vbd,vif/$DEVID/event-channel', 'EVTCHN', 'w'],
  ['~/device/vbd,vif/$DEVID/trusted', 'FLAG', 'w'],
  // B
  ['~/device/vbd/$DEVID/virtual-device,ring-page-order,num-ring-pages', 'INTEGER', 'w'],
  ['~/device/vbd/$DEVID/device-type', 'STRING', 'w'],
  ['~/device/vbd/$DEVID/ring-ref,ring-ref0,ring-ref1,ring-ref2,ring-ref3', 'GNTREF', 'w'],
  ['~/device/vbd/$DEVID/protocol', 'STRING', 'w'],
  ['~/device/vbd/$DEVID/feature-persistent', 'FLAG', 'w'],
  // N
  ['~/device/vif/$DEVID/mac', 'MAC_ADDRESS', 'w'],
  ['~/device/vif/$DEVID/mtu', 'INTEGER', 'r'],
  ['~/device/vif/$DEVID/multi-queue-num-queues', 'INTEGER', 'w'],
  ['~/device/vif/$DEVID/vifname', 'STRING', 'w'],
  ['~/device/vif/$DEVID/tx-ring-ref,rx-ring-ref', 'GNTREF', 'w'],
  ['~/device/vif/$DEVID/event-channel-tx,event-channel-rx', 'EVTCHN', 'w'],
  ['~/device/vif/$DEVID/request-rx-copy,feature-rx-notify,feature-sg', 'FLAG', 'w'],
  ['~/device/vif/$DEVID/feature-gso-tcpv4,feature-gso-tcpv6,feature-no-csum-offload', 'FLAG', 'w'],
  ['~/device/vif/$DEVID/feature-ipv6-csum-offload,feature-multicast-control', 'FLAG', 'w'],
];

const BACK_ENDS: readonly PathRule[] = [
  ['~/backend/vbd,vif,console/$DOMID/$DEVID', '""', 'r'],
  ['~/backend/vbd,vif,console/$DOMID/$DEVID/frontend', 'PATH', 'r'],
  ['~/backend/vbd,vif,console/$DOMID/$DEVID/frontend-id,handle', 'INTEGER', 'r'],
  ['~/backend/vbd,vif,console/$DOMID/$DEVID/online', 'FLAG', 'r'],
  ['~/backend/vbd,vif,console/$DOMID/$DEVID/state', 'STATE', 'r'],
  ['~/backend/vbd,vif,console/$DOMID/$DEVID/type,protocol', 'STRING', 'r'],
  ['~/backend/vbd,vif/$DOMID/$DEVID/hotplug-status,hotplug-error,script', 'STRING', 'r'],
  // B
  ['~/backend/vbd/$DOMID/$DEVID/removable,bootable,discard-enable,direct-io-safe', 'FLAG', 'r'],
  ['~/backend/vbd/$DOMID/$DEVID/dev,device-type,specification,params', 'STRING', 'r'],
  ['~/backend/vbd/$DOMID/$DEVID/mode', 'MODE', 'r'],
  ['~/backend/vbd/$DOMID/$DEVID/physical-device', 'STRING', 'r'],
  ['~/backend/vbd/$DOMID/$DEVID/sectors,sector-size,physical-sector-size,info', 'INTEGER', 'r'],
  [
    '~/backend/vbd/$DOMID/$DEVID/feature-barrier,feature-flush-cache,feature-persistent',
    'FLAG',
    'r',
  ],
  ['~/backend/vbd/$DOMID/$DEVID/feature-discard', 'FLAG', 'r'],
  ['~/backend/vbd/$DOMID/$DEVID/feature-max-indirect-segments', 'INTEGER', 'r'],
  ['~/backend/vbd/$DOMID/$DEVID/max-ring-page-order', 'INTEGER', 'r'],
  // N
  ['~/backend/vif/$DOMID/$DEVID/mac', 'MAC_ADDRESS', 'r'],
  ['~/backend/vif/$DOMID/$DEVID/bridge,ip,vifname,rate', 'STRING', 'r'],
  ['~/backend/vif/$DOMID/$DEVID/mtu', 'INTEGER', 'r'],
  ['~/backend/vif/$DOMID/$DEVID/feature-sg,feature-rx-copy,feature-rx-flip', 'FLAG', 'r'],
  ['~/backend/vif/$DOMID/$DEVID/feature-gso-tcpv4,feature-gso-tcpv6', 'FLAG', 'r'],
  ['~/backend/vif/$DOMID/$DEVID/feature-no-csum-offload,feature-ipv6-csum-offload', 'FLAG', 'r'],
  ['~/backend/vif/$DOMID/$DEVID/feature-multicast-control,feature-ctrl-ring', 'FLAG', 'r'],
  ['~/backend/vif/$DOMID/$DEVID/multi-queue-max-queues', 'INTEGER', 'r'],
];

const TOOLSTACK: readonly PathRule[] = [
  // P says that /vm is hidden from the domain, but libxl lets it read its own.
  ['/vm/$UUID/uuid', 'UUID', 'r'],
  ['/vm/$UUID/name', 'STRING', 'r'],
  ['/vm/$UUID/image/*', 'STRING', 'r'],
  ['/vm/$UUID/start_time', 'SECONDS', 'r'],
  ['/libxl', '""', '-'],
  ['/libxl/$DOMID', '""', '-'],
  ['/libxl/$DOMID/type,dm-version', 'STRING', '-'],
  ['/libxl/$DOMID/device', '""', '-'],
  ['/libxl/$DOMID/device/*', 'STRING', '-'],
  ['/tool/xenstored/domid', 'INTEGER', '-'],
  ['/tool/*', 'STRING', '-'],
];

/** Every rule; of those that fit a path the first holds. */
export const PATH_RULES: readonly PathRule[] = [...HOME, ...FRONT_ENDS, ...BACK_ENDS, ...TOOLSTACK];
