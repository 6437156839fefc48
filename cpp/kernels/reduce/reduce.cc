#include "kernels/reduce/reduce.h"

#include "kernels/common/partial.h"
#include "kernels/eltwise/vector_math.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int64_t kPart = 64;  // vectors, or rows, that are added up before they join the total

// One way to reduce: what a value counts, how two counts join, and what adds nothing.
struct Sum {
  static constexpr float kNothing = 0.0f;
  static Vec map(Vec x) { return x; }
  static Vec join(Vec a, Vec b) { return a + b; }
};
struct SumAbs : Sum {
  static Vec map(Vec x) { return absolute(x); }
};
struct SumSquare : Sum {
  static Vec map(Vec x) { return x * x; }
};
struct Max {
  static constexpr float kNothing = -__builtin_inff();
  static Vec map(Vec x) { return x; }
  static Vec join(Vec a, Vec b) { return ((a > b) | (a != a)) ? a : b; }
};
struct Min {
  static constexpr float kNothing = __builtin_inff();
  static Vec map(Vec x) { return x; }
  static Vec join(Vec a, Vec b) { return ((a < b) | (a != a)) ? a : b; }
};
struct Product {
  static constexpr float kNothing = 1.0f;
  static Vec map(Vec x) { return x; }
  static Vec join(Vec a, Vec b) { return a * b; }
};

template <typename R>
inline float join_lanes(Vec v) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    Vec turned = v;
    for (int lane = 0; lane < half; ++lane) turned[lane] = v[lane + half];
    v = R::join(v, turned);
  }
  return v[0];
}

template <typename R>
float reduce_row(const float* x, int64_t count) {
  Vec total = broadcast(R::kNothing);
  for (int64_t first = 0; first < count; first += kPart * kLanes) {
    const int64_t last = first + kPart * kLanes < count ? first + kPart * kLanes : count;
    Vec even = broadcast(R::kNothing), odd = even;
    int64_t i = first;
    for (; i + 2 * kLanes <= last; i += 2 * kLanes) {
      even = R::join(even, R::map(load(x + i)));
      odd = R::join(odd, R::map(load(x + i + kLanes)));
    }
    for (; i < last; i += kLanes) {
      const int64_t lanes = lanes_left(last - i);
      Vec v = R::map(load_some(x + i, lanes, 0.0f));
      if (lanes < kLanes)
        for (int64_t lane = lanes; lane < kLanes; ++lane) v[lane] = R::kNothing;
      even = R::join(even, v);
    }
    total = R::join(total, R::join(even, odd));
  }
  return join_lanes<R>(total);
}

template <typename R>
void reduce_columns(const ReduceColumnsArgs& args) {
  for (int64_t j = 0; j < args.columns; j += kLanes) {
    const int64_t lanes = lanes_left(args.columns - j);
    Vec total = broadcast(R::kNothing);
    for (int64_t first = 0; first < args.rows; first += kPart) {
      const int64_t last = first + kPart < args.rows ? first + kPart : args.rows;
      Vec part = broadcast(R::kNothing);
      for (int64_t i = first; i < last; ++i)
        part = R::join(part, R::map(load_some(args.x + i * args.row_stride + j, lanes, 0.0f)));
      total = R::join(total, part);
    }
    store_some(args.y + j, total, lanes);
  }
}

// Calls visit(R{}) for the way to reduce.
template <typename Visit>
inline auto dispatch(Reduction reduction, const Visit& visit) {
  switch (reduction) {
    case Reduction::kSumAbs:
      return visit(SumAbs{});
    case Reduction::kSumSquare:
      return visit(SumSquare{});
    case Reduction::kMax:
      return visit(Max{});
    case Reduction::kMin:
      return visit(Min{});
    case Reduction::kProduct:
      return visit(Product{});
    default:
      return visit(Sum{});
  }
}

// sums[i] = the sum of map(x[p], i) over the pixels, for the vectors i of one block of channels.
template <typename Map>
inline void sum_pixels(const MomentsArgs& args, int64_t channel, Vec* sums, const Map& map) {
  for (int i = 0; i < kVectorsPerBlock; ++i) sums[i] = Vec{};
  for (int64_t first = 0; first < args.pixels; first += kPart) {
    const int64_t last = first + kPart < args.pixels ? first + kPart : args.pixels;
    Vec part[kVectorsPerBlock] = {};
    for (int64_t p = first; p < last; ++p)
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i)
        part[i] += map(load(args.x + p * args.x_stride + channel + i * kLanes), i);
    for (int i = 0; i < kVectorsPerBlock; ++i) sums[i] += part[i];
  }
}

inline float square_distance(const float* x, int64_t count, float mean) {
  Vec total{};
  for (int64_t first = 0; first < count; first += kPart * kLanes) {
    const int64_t last = first + kPart * kLanes < count ? first + kPart * kLanes : count;
    Vec part{};
    for (int64_t i = first; i < last; i += kLanes) {
      const Vec distance = load_some(x + i, lanes_left(last - i), mean) - broadcast(mean);
      part += distance * distance;
    }
    total += part;
  }
  return join_lanes<Sum>(total);
}

}  // namespace

float f32_reduce_row(Reduction reduction, const float* x, int64_t count) {
  return dispatch(reduction, [&](auto way) { return reduce_row<decltype(way)>(x, count); });
}

void f32_reduce_columns(Reduction reduction, const ReduceColumnsArgs& args) {
  dispatch(reduction, [&](auto way) { reduce_columns<decltype(way)>(args); });
}

void f32_normalize_row(const NormalizeRowArgs& args) {
  const auto count = static_cast<float>(args.count);
  const float mean = reduce_row<Sum>(args.x, args.count) / count;
  const float variance = square_distance(args.x, args.count, mean) / count;
  const Vec factor = broadcast(1.0f / __builtin_sqrtf(variance + args.epsilon)), centre = broadcast(mean);
  for (int64_t i = 0; i < args.count; i += kLanes) {
    const int64_t lanes = lanes_left(args.count - i);
    const Vec x = load_some(args.x + i, lanes, 0.0f);
    const Vec scale = args.parameter_stride ? load_some(args.scale + i, lanes, 0.0f) : broadcast(*args.scale);
    const Vec bias = args.parameter_stride ? load_some(args.bias + i, lanes, 0.0f) : broadcast(*args.bias);
    store_some(args.y + i, (x - centre) * factor * scale + bias, lanes);
  }
}

void f32_moments(const MomentsArgs& args) {
  const Vec count = broadcast(static_cast<float>(args.pixels));
  for (int64_t c = 0; c < 16 * args.blocks; c += 16) {
    Vec mean[kVectorsPerBlock], squares[kVectorsPerBlock];
    sum_pixels(args, c, mean, [](Vec x, int) { return x; });
    for (int i = 0; i < kVectorsPerBlock; ++i) mean[i] /= count;
    sum_pixels(args, c, squares, [&](Vec x, int i) { return (x - mean[i]) * (x - mean[i]); });
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      store(args.mean + c + i * kLanes, mean[i]);
      store(args.variance + c + i * kLanes, squares[i] / count);
    }
  }
}

}  // namespace zeroskip::ZS_ISA
