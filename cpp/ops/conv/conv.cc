#include "ops/conv/conv.h"

#include <algorithm>

#include "ops/conv/gather_rows.h"
#include "ops/ops.h"

namespace zeroskip {
namespace {

std::optional<WinogradConv> make_winograd(const ConvPlan& plan, const StepSpec& step,
                                          const BuildContext& context) {
  if (!plan.winograd) return std::nullopt;
  const ConstantView& weight = *step.find_constant("weight");
  if (!plan.phases) return WinogradConv(*plan.winograd, weight.values.data(), weight.name, context);
  const std::vector<float> arranged = plan.phases->kernel(weight.values.data());
  return WinogradConv(*plan.winograd, arranged.data(), weight.name + plan.phases->form(), context);
}

}  // namespace

Conv::Conv(const StepSpec& step, const BuildContext& context)
    : kernels_(context.kernels),
      plan_(plan_conv(step, context)),
      constants_(pack_constants(plan_, step, context)),
      layer_(plan_, constants_),
      sparse_(layer_, kernels_),
      dense_(layer_, kernels_),
      winograd_(make_winograd(plan_, step, context)) {}

ConvOperands Conv::operands(const RunContext& context) const {
  const Tensor& x = context.inputs[0];
  const Tensor& y = context.outputs[0];
  ConvOperands operands{};
  operands.x = x.as<float>();
  operands.x_stride = x.spec->pixel_stride;
  operands.mask = x.mask;
  operands.mask_stride = x.spec->mask_stride();
  if (context.inputs.size() == 2) {
    operands.residual = context.inputs[1].as<float>();
    operands.residual_stride = context.inputs[1].spec->pixel_stride;
  } else if (constants_.residual) {
    operands.residual = constants_.residual->data();
    operands.residual_stride = round_up(plan_.geometry.o, kChannelBlock);
  }
  operands.y = y.as<float>();
  operands.y_stride = y.spec->pixel_stride;
  operands.y_mask = y.mask;
  operands.y_mask_stride = y.spec->mask_stride();
  return operands;
}

bool Conv::is_sparse(const ConvOperands& operands, const PixelRange& pixels, double density) const {
  const int64_t channels = plan_.geometry.c;
  const int64_t nnz =
      kernels_.f32_mask_popcount(pixels.count, ceil_div(channels, kChannelBlock),
                                 operands.mask + pixels.first * operands.mask_stride, operands.mask_stride);
  return static_cast<double>(nnz) <= density * static_cast<double>(pixels.count * channels);
}

bool Conv::takes_sparse(const ConvOperands& operands, const ConvTile& tile) const {
  if (plan_.algorithm != ConvAlgorithm::kAuto) return plan_.algorithm == ConvAlgorithm::kSparse;
  return is_sparse(operands, input_pixels(plan_.geometry, tile), plan_.crossover_density);
}

bool Conv::takes_winograd(const ConvOperands& operands) const {
  if (!winograd_ || plan_.algorithm != ConvAlgorithm::kAuto) return winograd_.has_value();
  const ConvGeometry& g = plan_.geometry;
  return !is_sparse(operands, {0, g.n * g.h * g.w}, plan_.winograd_density);
}

void Conv::run_winograd(const RunContext& context, const ConvOperands& operands) const {
  WinogradConv::Operands where{.x = operands.x,
                               .x_stride = operands.x_stride,
                               .bias = constants_.bias->data(),
                               .residual_pixels = constants_.residual_pixels,
                               .epilogue = layer_.epilogue_at(operands, ConvTask{}, 0, 0)};
  std::span<std::byte> scratch = context.scratch;
  if (plan_.phases) {
    float* image = reinterpret_cast<float*>(scratch.data());
    plan_.phases->fill(plain_input(plan_, context.inputs[0]), image, context.num_threads);
    where.x = image, where.x_stride = kChannelBlock;
    scratch = scratch.subspan(static_cast<size_t>(plan_.phases->bytes()));
  }
  winograd_->run(where, scratch);
}

void Conv::run(const RunContext& context) const {
  ConvOperands where = operands(context);
  if (takes_winograd(where)) return run_winograd(context, where);
  if (plan_.gathers_input) {
    float* rows = reinterpret_cast<float*>(context.scratch.data());
    gather_rows(plan_.geometry, plain_input(plan_, context.inputs[0]), rows, context.num_threads);
    where.x = rows;
  }
  parallel_for(context.num_threads, plan_.tasks(), [&](int64_t index, int thread) {
    const ConvTask task = task_at(plan_.geometry, plan_.layout, plan_.cut, index);
    const ConvThreadScratch scratch = thread_scratch(plan_, context, thread);
    if (takes_sparse(where, task.tile))
      sparse_.run(where, task, scratch);
    else
      dense_.run(where, task, scratch);
  });
}

size_t Conv::scratch_bytes() const {
  const ConvScratch& scratch = plan_.scratch;
  const auto direct =
      static_cast<size_t>(scratch.gathered + checked_product({plan_.num_threads, scratch.thread()}));
  if (!winograd_) return direct;
  const size_t image = plan_.phases ? static_cast<size_t>(plan_.phases->bytes()) : 0;
  return std::max(direct, image + winograd_->scratch_bytes());
}

std::string Conv::kernel_name() const {
  if (winograd_ && plan_.algorithm != ConvAlgorithm::kAuto) return winograd_->kernel_name();
  if (plan_.algorithm == ConvAlgorithm::kDense) return dense_.kernel_name();
  if (plan_.algorithm == ConvAlgorithm::kSparse) return sparse_.kernel_name();
  const std::string direct = sparse_.kernel_name() + " | " + dense_.kernel_name();
  return winograd_ ? direct + " | " + winograd_->kernel_name() : direct;
}

std::unique_ptr<Op> make_conv(const StepSpec& step, const BuildContext& context) {
  return std::make_unique<Conv>(step, context);
}

}  // namespace zeroskip
