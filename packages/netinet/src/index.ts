export {
  ETHERMTU,
  IFCAP_CSUM_TX,
  IFCAP_SG,
  IFF_OACTIVE,
  IFF_RUNNING,
  type IfAttach,
  type Ifnets,
  ifnet,
} from './ifnet.ts';
export type { Inet } from './inet.ts';
export {
  M_CSUM_BLANK,
  M_CSUM_VALIDATED,
  type Mbuf,
  type Mbufs,
  MCLBYTES,
  NMBCLUSTERS,
} from './mbuf.ts';
export {
  linkNetinet,
  type Netinet,
  type NetKern,
  netinetInit,
  netinetLinked,
  netinetModules,
} from './netinet.ts';
