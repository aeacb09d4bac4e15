"""Adam with clipped gradients, and a running average of the weights it walks through.

Reference: Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
"""

from collections.abc import Sequence

import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
MAX_GRADIENT_NORM = 3.0  # as ddsp


class Adam(tf.Module):
    """The optimiser; its variables are its whole state."""

    def __init__(
        self, variables: Sequence[tf.Variable], rate_shares: Sequence[float]
    ) -> None:
        """Prepares to move variables.

        Args:
          variables: What to move.
          rate_shares: For each, the share of the learning rate it takes.
        """
        super().__init__(name="adam")
        self._targets, self._rate_shares = list(variables), tuple(rate_shares)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.means = [_zeros_like(v, "mean") for v in variables]
        self.squares = [_zeros_like(v, "square") for v in variables]

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> tf.Tensor:
        """Moves the variables one step.

        Args:
          gradients: One for each variable.
          rate: Learning rate, a scalar.

        Returns:
          The norm of the gradients before clipping.
        """
        gradients, norm = tf.clip_by_global_norm(gradients, MAX_GRADIENT_NORM)
        count = tf.cast(self.step.assign_add(1), tf.float32)
        for target, share, mean, square, gradient in zip(
            self._targets,
            self._rate_shares,
            self.means,
            self.squares,
            gradients,
            strict=True,
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=target.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=BETA_1**count,
                beta2_power=BETA_2**count,
                lr=share * rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=gradient,
            )
        return norm


def follow(
    averages: Sequence[tf.Variable],
    variables: Sequence[tf.Variable],
    *,
    step: tf.Tensor,
    memory: float,
) -> None:
    """Moves running averages towards the variables; the first steps are forgotten sooner.

    Args:
      averages: Moved in place.
      variables: What they follow.
      step: Steps done, a scalar.
      memory: Share kept at each step, in [0, 1).
    """
    count = tf.cast(step, tf.float32)
    share = 1.0 - tf.minimum(memory, (1.0 + count) / (10.0 + count))
    for average, variable in zip(averages, variables, strict=True):
        average.assign_add(share * (variable - average))


def _zeros_like(variable: tf.Variable, name: str) -> tf.Variable:
    return tf.Variable(tf.zeros_like(variable), trainable=False, name=name)
