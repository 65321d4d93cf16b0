export type { ControllerHost } from './controlled-domain.ts';
export {
  type Answered,
  DomainController,
  type DomainControllerParts,
} from './domain-controller.ts';
