-- Writes what the compressors are measured with: four megabytes between prose, markup and numbers, the same on every
-- machine. Words come from a vocabulary by a skewed choice, some follow each other more often, lines repeat.

local seed = 20240229

local function random(n)
    seed = (seed * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff
    return (seed >> 24) % n
end

local vocabulary, lines, out, size = {}, {}, {}, 0

for i = 1, 4096 do
    local letters = {}
    for k = 1, 2 + random(9) do
        letters[k] = string.char(97 + random(26) * random(26) // 25)
    end
    vocabulary[i] = table.concat(letters)
end

local function word(last)
    if random(4) == 0 then
        return (last * 31 + 7) % 512 + 1
    end
    return random(1 + random(1 + random(4096))) + 1
end

local function line()
    local parts, last, kind = {}, random(4096), random(8)

    if kind == 0 then
        return string.format('{"id": %d, "name": "%s", "value": %d.%03d, "flags": [%d, %d]}', #lines + 1,
            vocabulary[word(last)], random(5000), random(1000), random(2), random(16))
    elseif kind == 1 and #lines > 0 then
        return lines[#lines - random(math.min(#lines, 500))]
    end
    for i = 1, 6 + random(10) do
        last = word(last)
        parts[i] = vocabulary[last]
    end
    return table.concat(parts, " ") .. "."
end

while size < 4 << 20 do
    local text = line()
    lines[#lines + 1] = text
    out[#out + 1] = text
    size = size + #text + 1
end
io.write(table.concat(out, "\n"), "\n")
