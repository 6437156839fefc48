#include "ops/move/gather_pixels.h"

#include <cstring>
#include <numeric>

#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

std::vector<int64_t> identity(int64_t extent) {
  std::vector<int64_t> map(static_cast<size_t>(extent));
  std::iota(map.begin(), map.end(), 0);
  return map;
}

void check_axis(const char* axis, const std::vector<int64_t>& map, int64_t in, int64_t out) {
  check(static_cast<int64_t>(map.size()) == out, "output extent ", out, " along ", axis, ", needs ",
        map.size());
  for (const int64_t position : map)
    check(position == PixelMap::kNowhere || (position >= 0 && position < in), "position ", position,
          " along ", axis, " is outside the input's ", in);
}

}  // namespace

PixelMap identity_map(const TensorSpec& x) {
  PixelMap map{.n = identity(x.n()), .h = identity(x.h()), .w = identity(x.w())};
  map.channel_count = x.c();
  return map;
}

GatherPixels::GatherPixels(const StepSpec& step, const BuildContext& context, PixelMap map)
    : mask_(context.kernels, context.output(step, 0)),
      map_(std::move(map)),
      fill_(make_element(map_.fill, context.output(step, 0).dtype)) {
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  require_layout(x, Layout::kNhwc);
  require_layout(y, Layout::kNhwc);
  check_axis("N", map_.n, x.n(), y.n());
  check_axis("H", map_.h, x.h(), y.h());
  check_axis("W", map_.w, x.w(), y.w());
  const int64_t last = map_.channel_first + (map_.channel_count - 1) * map_.channel_step;
  check(map_.channel_count >= 0, "a negative number of channels");
  check(map_.channel_count == 0 ||
            (std::min(map_.channel_first, last) >= 0 && std::max(map_.channel_first, last) < x.c()),
        "channels ", map_.channel_first, " to ", last, " are outside the input's ", x.c());
  check(map_.channel_to >= 0 && map_.channel_to + map_.channel_count <= y.c(), "output has ", y.c(),
        " channels, needs at least ", map_.channel_to + map_.channel_count);
}

// One output pixel; `from` is null where the map says kNowhere.
void GatherPixels::fill_pixel(const std::byte* from, std::byte* to, const TensorSpec& y) const {
  const int64_t size = fill_.size, channels = y.c();
  const int64_t begin = from ? map_.channel_to : channels;
  const int64_t end = from ? begin + map_.channel_count : channels;
  fill_elements(to, begin, fill_);
  if (from)
    copy_elements(from + map_.channel_first * size, map_.channel_step, to + begin * size, 1,
                  map_.channel_count, size);
  fill_elements(to + end * size, channels - end, fill_);
  std::memset(to + channels * size, 0, static_cast<size_t>((y.padded_c() - channels) * size));
}

void GatherPixels::run(const RunContext& context) const {
  const Tensor& x = context.inputs[0];
  const Tensor& y = context.outputs[0];
  const int64_t out_h = y.spec->h(), out_w = y.spec->w();
  const Split rows = split_items(y.spec->n() * out_h, out_w * y.spec->padded_c(), context.num_threads);
  parallel_for(context.num_threads, rows.tasks(), [&](int64_t task, int) {
    for (int64_t row = rows.begin(task); row < rows.begin(task) + rows.count(task); ++row) {
      const int64_t n = map_.n[static_cast<size_t>(row / out_h)],
                    h = map_.h[static_cast<size_t>(row % out_h)];
      const int64_t first = (n * x.spec->h() + h) * x.spec->w();
      for (int64_t ow = 0; ow < out_w; ++ow) {
        const int64_t w = map_.w[static_cast<size_t>(ow)];
        const bool inside = n >= 0 && h >= 0 && w >= 0;
        fill_pixel(inside ? x.pixel(first + w) : nullptr, y.pixel(row * out_w + ow), *y.spec);
      }
      mask_.write(y, row * out_w, out_w);
    }
  });
}

}  // namespace zeroskip
