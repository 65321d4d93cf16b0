export type { DiskOfDomain } from './block-kind.ts';
export {
  type Answered,
  DomainController,
  type DomainControllerParts,
} from './domain-controller.ts';
