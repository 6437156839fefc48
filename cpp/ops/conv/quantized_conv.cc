#include "ops/conv/quantized_conv.h"

#include "ops/ops.h"
#include "ops/shapes.h"

namespace zeroskip {

QuantizedConv::QuantizedConv(const StepSpec& step, const BuildContext& context)
    : plan_(plan_quantized_conv(step, context)),
      constants_(pack_quantized_constants(plan_, step, context)),
      layer_(plan_, constants_, context.kernels),
      sparse_(layer_),
      pairs_(layer_),
      bytes_(layer_),
      quads_(layer_) {}

size_t QuantizedConv::scratch_bytes() const {
  return static_cast<size_t>(checked_product({plan_.num_threads, plan_.scratch.thread()}));
}

std::string QuantizedConv::kernel_name() const {
  if (plan_.algorithm == ConvAlgorithm::kDense) return dense_kernel_name();
  if (plan_.algorithm == ConvAlgorithm::kSparse) return sparse_.kernel_name();
  return std::string(sparse_.kernel_name()) + " | " + dense_kernel_name();
}

void QuantizedConv::run(const RunContext& context) const {
  parallel_for(context.num_threads, plan_.tasks(), [&](int64_t index, int thread) {
    const ConvTask task = task_at(plan_.geometry, plan_.layout, plan_.cut, index);
    const QuantizedThreadScratch scratch = thread_scratch(plan_, context, thread);
    if (is_sparse(context.inputs[0], task))
      sparse_.run(context, task, scratch);
    else
      run_dense(context, task, scratch);
  });
}

void QuantizedConv::run_dense(const RunContext& context, const ConvTask& task,
                              const QuantizedThreadScratch& scratch) const {
  switch (plan_.dense.products) {
    case DenseProducts::kPairs:
      return pairs_.run(context, task, scratch);
    case DenseProducts::kBytes:
      return bytes_.run(context, task, scratch);
    case DenseProducts::kQuads:
      return quads_.run(context, task, scratch);
  }
}

const char* QuantizedConv::dense_kernel_name() const {
  switch (plan_.dense.products) {
    case DenseProducts::kPairs:
      return pairs_.kernel_name();
    case DenseProducts::kBytes:
      return bytes_.kernel_name();
    case DenseProducts::kQuads:
      break;
  }
  return quads_.kernel_name();
}

bool QuantizedConv::is_sparse(const Tensor& x, const ConvTask& task) const {
  if (plan_.algorithm != ConvAlgorithm::kAuto) return plan_.algorithm == ConvAlgorithm::kSparse;
  if (plan_.crossover_density <= 0.0) return false;
  const PixelRange range = input_pixels(plan_.geometry, task.tile);
  const int64_t channels = plan_.layout.in, stride = pixel_stride_of(*x.spec);
  const uint8_t* first = x.as<uint8_t>() + range.first * stride + task.group * channels;
  const int64_t entries =
      layer_.kernels().u8_count_entries(first, range.count, channels, stride, plan_.x_zero_point);
  return static_cast<double>(entries) <=
         plan_.crossover_density * static_cast<double>(range.count * channels);
}

std::unique_ptr<Op> make_quantized_conv(const StepSpec& step, const BuildContext& context) {
  return std::make_unique<QuantizedConv>(step, context);
}

std::unique_ptr<Op> make_quantized_linear(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<QuantizedConv>(step, context);
}

}  // namespace zeroskip
