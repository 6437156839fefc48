// depthwise: y = act(conv(x) + bias) with one kernel per channel.
#include <algorithm>

#include "kernels/lookup.h"
#include "ops/epilogue.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"
#include "ops/window.h"

namespace zeroskip {
namespace {

// Weights of one channel range: a third of a 48 KB L1, so that they survive the pixels streaming by.
constexpr int64_t kWeightBytes = 16 << 10;

// The kernel for this width and stride, where there is one, else the general one.
Kernel<DwconvFn> choose_kernel(const KernelTable& kernels, const Window& window) {
  const std::string form =
      "dwconv_" + std::to_string(window.kernel_w) + "s" + std::to_string(window.stride_w);
  KernelColumns wanted{.kind = form, .input = DataType::kFloat32, .weight = DataType::kFloat32};
  if (window.dilation_w == 1)
    if (const auto special = find_widest_kernel<DwconvFn>(kernels, wanted)) return special;
  wanted.kind = "dwconv";
  return get_kernel<DwconvFn>(kernels, wanted);
}

// [C, 1, kh, kw] -> [kh * kw][C rounded up to 16].
AlignedFloats pack(const ConstantView& weight, int64_t channels, int64_t taps) {
  const int64_t stride = round_up(channels, kChannelBlock);
  AlignedFloats packed(static_cast<size_t>(taps * stride));
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t tap = 0; tap < taps; ++tap)
      packed.data()[tap * stride + c] = weight.values[static_cast<size_t>(c * taps + tap)];
  return packed;
}

class Depthwise final : public Op {
 public:
  Depthwise(const StepSpec& step, const BuildContext& context)
      : y_(context.output(step, 0)),
        window_(parse_window(step, context.input(step, 0), y_, false)),
        kernel_(choose_kernel(context.kernels, window_)),
        epilogue_(parse_epilogue(step, y_.c())) {
    const ConstantView& weight = step.get_constant("weight", {y_.c(), 1, window_.kernel_h, window_.kernel_w});
    weights_ =
        context.weights.get(weight.name + "/depthwise", [&] { return pack(weight, y_.c(), window_.taps()); });
    bias_ = step.find_constant("bias") ? pad_channels(step.get_constant("bias", {y_.c()}))
                                       : AlignedFloats(static_cast<size_t>(y_.padded_c()));
    const int64_t block_bytes = window_.taps() * kChannelBlock * static_cast<int64_t>(sizeof(float));
    const int64_t blocks = y_.padded_c() / kChannelBlock;
    channels_ = {blocks, std::clamp<int64_t>(kWeightBytes / block_bytes, 1, blocks)};
    rows_ = split_items(y_.h(), y_.w() * channels_.size * kChannelBlock * window_.taps() / 4,
                        context.num_threads);
  }

  void run(const RunContext& context) const override {
    const int64_t tasks = y_.n() * channels_.tasks() * rows_.tasks();
    parallel_for(context.num_threads, tasks, [&](int64_t task, int) {
      const int64_t rows = task % rows_.tasks(), range = task / rows_.tasks();
      run_rows(context, range / channels_.tasks(), range % channels_.tasks(), rows);
    });
  }
  std::string kernel_name() const override { return kernel_.name; }

 private:
  void run_rows(const RunContext& context, int64_t image, int64_t range, int64_t rows) const {
    DwconvArgs args = range_args(context, image, range);
    const Tensor& y = context.outputs[0];
    for (int64_t oh = rows_.begin(rows); oh < rows_.begin(rows) + rows_.count(rows); ++oh) {
      const int64_t pixel = (image * y_.h() + oh) * y_.w();
      args.first_row = window_.first_row(oh);
      args.y = y.as<float>() + pixel * args.y_stride + channels_.begin(range) * kChannelBlock;
      if (y.mask) args.mask = y.mask + pixel * args.mask_stride + channels_.begin(range);
      kernel_.function(args);
    }
  }

  DwconvArgs range_args(const RunContext& context, int64_t image, int64_t range) const {
    const Tensor& x = context.inputs[0];
    const TensorSpec& spec = *x.spec;
    const int64_t channel = channels_.begin(range) * kChannelBlock;
    DwconvArgs args;
    args.x = x.as<float>() + image * spec.h() * spec.w() * spec.pixel_stride + channel;
    args.x_stride = spec.pixel_stride;
    args.in_h = spec.h(), args.in_w = spec.w();
    args.kernel_h = window_.kernel_h, args.kernel_w = window_.kernel_w;
    args.stride_w = window_.stride_w;
    args.dilation_h = window_.dilation_h, args.dilation_w = window_.dilation_w;
    args.pad_left = window_.pad_left;
    args.weights = weights_->data() + channel;
    args.weight_stride = y_.padded_c();
    args.bias = bias_.data() + channel;
    if (const float* thresholds = epilogue_.thresholds_or_null()) args.thresholds = thresholds + channel;
    args.max_value = epilogue_.max_value;
    args.pixels = y_.w();
    args.blocks = channels_.count(range);
    args.y_stride = y_.pixel_stride;
    args.mask_stride = y_.mask_stride();
    return args;
  }

  const TensorSpec& y_;
  Window window_;
  Kernel<DwconvFn> kernel_;
  Epilogue epilogue_;
  WeightStore::Packed weights_;
  AlignedFloats bias_;
  Split channels_{};  // in blocks of 16
  Split rows_{};
};

}  // namespace

std::unique_ptr<Op> make_depthwise(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Depthwise>(step, context);
}

}  // namespace zeroskip
